/** The version of Kubernetes whose behaviour this kubelet has. */
export const kubeletVersion = 'v1.36.0';
