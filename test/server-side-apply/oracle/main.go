// Answers what upstream's merge library makes of a history of writes.
//
// Standard input has a JSON object a line: a schema, and operations of managers on one object of its type "root". Each is answered by a
// line: after every operation the object, the sets of all managers, and the conflicts or the error that it met.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/structured-merge-diff/v4/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v4/merge"
	"sigs.k8s.io/structured-merge-diff/v4/typed"
)

type history struct {
	Schema     json.RawMessage `json:"schema"`
	Operations []operation     `json:"operations"`
}

type operation struct {
	Apply   bool        `json:"apply"`
	Force   bool        `json:"force"`
	Manager string      `json:"manager"`
	Object  interface{} `json:"object"`
}

type outcome struct {
	Object    interface{}                `json:"object"`
	Managers  map[string]json.RawMessage `json:"managers"`
	Conflicts map[string]json.RawMessage `json:"conflicts,omitempty"`
	Error     string                     `json:"error,omitempty"`
}

// All managers speak one version.
const version = fieldpath.APIVersion("v1")

type sameVersion struct{}

func (sameVersion) Convert(object *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return object, nil
}

func (sameVersion) IsMissingVersionError(error) bool { return false }

func setJSON(set *fieldpath.Set) json.RawMessage {
	text, err := set.ToJSON()
	if err != nil {
		panic(err)
	}
	return text
}

func replay(h history) ([]outcome, error) {
	parser, err := typed.NewParser(typed.YAMLObject(h.Schema))
	if err != nil {
		return nil, err
	}
	root := parser.Type("root")
	live, err := root.FromUnstructured(map[string]interface{}{})
	if err != nil {
		return nil, err
	}
	managers := fieldpath.ManagedFields{}
	updater := &merge.Updater{Converter: sameVersion{}}
	outcomes := []outcome{}
	for _, op := range h.Operations {
		out := outcome{Managers: map[string]json.RawMessage{}}
		var result *typed.TypedValue
		var owners fieldpath.ManagedFields
		object, err := root.FromUnstructured(op.Object)
		if err == nil {
			if op.Apply {
				result, owners, err = updater.Apply(live, object, version, managers.Copy(), op.Manager, op.Force)
			} else {
				result, owners, err = updater.Update(live, object, version, managers.Copy(), op.Manager)
			}
		}
		if conflicts, ok := err.(merge.Conflicts); ok {
			sets := map[string]*fieldpath.Set{}
			for _, conflict := range conflicts {
				if sets[conflict.Manager] == nil {
					sets[conflict.Manager] = fieldpath.NewSet()
				}
				sets[conflict.Manager].Insert(conflict.Path)
			}
			out.Conflicts = map[string]json.RawMessage{}
			for manager, set := range sets {
				out.Conflicts[manager] = setJSON(set)
			}
		} else if err != nil {
			out.Error = err.Error()
		} else {
			managers = owners
			if result != nil {
				live = result
			}
		}
		out.Object = live.AsValue().Unstructured()
		for manager, set := range managers {
			out.Managers[manager] = setJSON(set.Set())
		}
		outcomes = append(outcomes, out)
	}
	return outcomes, nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var h history
		err := json.Unmarshal(lines.Bytes(), &h)
		var outcomes []outcome
		if err == nil {
			outcomes, err = replay(h)
		}
		if err == nil {
			err = answers.Encode(outcomes)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
