package launch

import (
	"cmp"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// maxCarriers is how many images of a node are tried before giving up.
const maxCarriers = 4

// freeImages are path elements and name parts of images that nodes hold
// without credentials: what the kubelet, the network and the cluster itself
// run. The order is the order of preference.
var freeImages = []string{
	"pause", "kube-proxy", "coredns", "cilium", "calico", "flannel", "canal", "weave",
	"kindnetd", "aws-node", "amazon-k8s-cni", "vpc-cni", "azure-cns", "antrea", "ovn",
	"kube-router", "multus", "node-local-dns", "dnsmasq-nanny", "metrics-server",
	"csi-node-driver-registrar", "livenessprobe", "local-path-provisioner",
	"klipper-helm", "klipper-lb", "mirrored-", "etcd", "kube-apiserver", "konnectivity",
}

// Carriers returns images that are on the node, best first: those that need no
// credentials, then the rest, smaller ones before larger ones. inUse lists
// images of containers that run there: a node's status names at most 50 images,
// the largest, while an image in use is certainly present.
//
// Nothing of a carrier is executed: its files are the read-only root below the
// probe's own mounts.
func Carriers(node *corev1.Node, inUse []string) []string {
	type candidate struct {
		ref  string
		rank int
		size int64
	}
	var list []candidate
	seen := map[string]bool{}
	add := func(ref string, size int64) {
		if ref == "" || seen[ref] {
			return
		}
		seen[ref] = true
		list = append(list, candidate{ref, imageRank(ref), size})
	}
	if node != nil {
		for _, img := range node.Status.Images {
			if ref := bestName(img.Names); ref != "" {
				add(ref, img.SizeBytes)
			}
		}
	}
	for _, ref := range inUse {
		if usable(ref) {
			add(ref, 0)
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.size, b.size), strings.Compare(a.ref, b.ref))
	})
	out := make([]string, 0, len(list))
	for _, c := range list {
		out = append(out, c.ref)
	}
	return out
}

// bestName picks one of an image's names: a tag as it is what the kubelet's own
// pods use, else a digest. Names without either, as in "<none>@<none>", are of
// no use.
func bestName(names []string) string {
	var best string
	for _, n := range names {
		if !usable(n) {
			continue
		}
		if best == "" || strings.Contains(best, "@") && !strings.Contains(n, "@") {
			best = n
		}
	}
	return best
}

// maxImageRef bounds what is taken for an image reference.
const maxImageRef = 512

func usable(ref string) bool {
	if ref == "" || len(ref) > maxImageRef || strings.ContainsAny(ref, "<> \t\r\n") || strings.HasPrefix(ref, "sha256:") {
		return false
	}
	return strings.Contains(ref, "@sha256:") || strings.Contains(path.Base(ref), ":")
}

// imageRank is the place of an image in freeImages, or past its end.
func imageRank(ref string) int {
	name, _, _ := strings.Cut(ref, "@")
	if base := path.Base(name); strings.Contains(base, ":") {
		name = name[:strings.LastIndexByte(name, ':')]
	}
	for i, free := range freeImages {
		if strings.Contains(name, free) {
			return i
		}
	}
	return len(freeImages)
}
