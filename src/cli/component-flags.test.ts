import { expect, it } from 'vitest';
import { componentFlags } from './component-flags.ts';

it("reads upstream's command lines: values beside and behind, lists in parts, the last of others", () => {
  const line = '--secure-port=1 --secure-port 2 --allow-privileged --etcd-servers=a,b --etcd-servers c -v=2 --authorization-config=x=y';
  expect(componentFlags('kube-apiserver', line.split(' '))).toEqual({
    ...{ 'secure-port': '2', 'allow-privileged': 'true', 'etcd-servers': 'a,b,c', v: '2', 'authorization-config': 'x=y' },
  });
  expect(() => componentFlags('kube-apiserver', ['run'])).toThrow('"kube-apiserver" does not take any arguments, got ["run"]');
});
