package pki

import "encoding/json"

// Kubeconfig returns a kubeconfig document (JSON, which is YAML) for one user
// of the cluster at server. The certificates are embedded; caCert is PEM.
func Kubeconfig(server string, caCert []byte, user string, p Pair) ([]byte, error) {
	type object = map[string]any
	doc, err := json.MarshalIndent(object{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []object{{"name": "lab", "cluster": object{
			"server": server, "certificate-authority-data": caCert,
		}}},
		"users": []object{{"name": user, "user": object{
			"client-certificate-data": p.Cert, "client-key-data": p.Key,
		}}},
		"contexts":        []object{{"name": "lab", "context": object{"cluster": "lab", "user": user}}},
		"current-context": "lab",
	}, "", "  ")
	return append(doc, '\n'), err
}
