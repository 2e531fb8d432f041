// Command from measures what "explain --from" takes for inputs of growing size:
// it writes namespaces of so many pods, one in fifty of them failing, runs the
// plugin on each and prints wall time, processor time and the most memory.
//
//	go run ./test/bench/from -plugin bin/kubectl-tapio
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	plugin := flag.String("plugin", "bin/kubectl-tapio", "the plugin to run")
	sizes := flag.String("pods", "500,1000,2000,5000", "numbers of pods")
	runs := flag.Int("runs", 3, "runs of each; the fastest counts")
	keep := flag.String("keep", "", "leave the files in this directory")
	flag.Parse()
	if err := run(*plugin, *sizes, *runs, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "from:", err)
		os.Exit(1)
	}
}

func run(plugin, sizes string, runs int, keep string) error {
	fmt.Println("  pods  objects   input MiB   wall s   cpu s   peak MiB   us/object")
	for _, word := range strings.Split(sizes, ",") {
		pods, err := strconv.Atoi(word)
		if err != nil || pods <= 0 {
			return fmt.Errorf("-pods wants numbers, not %q", word)
		}
		dir := filepath.Join(keep, word)
		if keep == "" {
			if dir, err = os.MkdirTemp("", "tapio-from-"); err != nil {
				return err
			}
			defer os.RemoveAll(dir)
		}
		objects, bytes, err := generate(dir, pods)
		if err != nil {
			return err
		}
		var best cost
		for i := range runs {
			c, err := measure(plugin, dir)
			if err != nil {
				return err
			}
			if i == 0 || c.wall < best.wall {
				best = c
			}
		}
		fmt.Printf("%6d %8d %11.1f %8.2f %7.2f %10d %11.0f\n", pods, objects, float64(bytes)/(1<<20), best.wall.Seconds(), best.cpu.Seconds(),
			best.peak>>20, float64(best.wall.Microseconds())/float64(objects))
	}
	return nil
}

type cost struct {
	wall, cpu time.Duration
	peak      int64 // bytes
}

// measure runs the plugin once.
func measure(plugin, dir string) (cost, error) {
	cmd := exec.CommandContext(context.Background(), plugin, "explain", "--from", dir, "-n", "bench", "-o", "json")
	cmd.Stdout = io.Discard
	var stderr strings.Builder
	cmd.Stderr = &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%w: %s", err, stderr.String())
	}
	return cost{time.Since(began), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak(cmd.ProcessState)}, nil
}

type object = map[string]any

const began = "2026-03-01T12:00:00Z"

func metadata(name string, more object) object {
	m := object{"name": name, "namespace": "bench", "uid": "uid-" + name, "creationTimestamp": began}
	for k, v := range more {
		m[k] = v
	}
	return m
}

func owner(apiVersion, kind, name string) []object {
	return []object{{"apiVersion": apiVersion, "kind": kind, "name": name, "uid": "uid-" + name, "controller": true}}
}

const perWorkload = 5

// generate writes a namespace: each Deployment has perWorkload pods, a Service
// and a name of the next one's Service in its environment. It tells how many
// objects and bytes there are.
func generate(dir string, pods int) (objects int, bytes int64, err error) {
	if err := os.MkdirAll(filepath.Join(dir, "bench"), 0o755); err != nil {
		return 0, 0, err
	}
	lists := map[string][]object{}
	nodes := max(3, pods/50)
	workloads := (pods + perWorkload - 1) / perWorkload
	for w := range workloads {
		app := fmt.Sprintf("app-%d", w)
		labels := object{"app": app}
		lists["deployments apps/v1 Deployment"] = append(lists["deployments apps/v1 Deployment"], object{
			"metadata": metadata(app, nil),
			"spec":     object{"replicas": perWorkload, "selector": object{"matchLabels": labels}},
			"status":   object{"replicas": perWorkload},
		})
		lists["replicasets apps/v1 ReplicaSet"] = append(lists["replicasets apps/v1 ReplicaSet"], object{
			"metadata": metadata(app+"-abc", object{"ownerReferences": owner("apps/v1", "Deployment", app)}),
			"spec":     object{"replicas": perWorkload, "selector": object{"matchLabels": labels}},
		})
		lists["services v1 Service"] = append(lists["services v1 Service"], object{
			"metadata": metadata(app, nil),
			"spec":     object{"clusterIP": fmt.Sprintf("10.96.%d.%d", w/250, w%250+1), "selector": labels, "ports": []object{{"port": 80, "targetPort": 8080}}},
		})
	}
	for p := range pods {
		lists["pods v1 Pod"] = append(lists["pods v1 Pod"], newPod(p, workloads, nodes))
		if p%10 == 0 {
			lists["events v1 Event"] = append(lists["events v1 Event"], object{
				"metadata": metadata(fmt.Sprintf("event-%d", p), nil), "type": "Normal", "reason": "Pulled", "message": "Container image is present", "lastTimestamp": began,
				"involvedObject": object{"kind": "Pod", "namespace": "bench", "name": podName(p), "uid": "uid-" + podName(p)},
			})
		}
	}
	for n := range nodes {
		lists["nodes v1 Node"] = append(lists["nodes v1 Node"], object{
			"metadata": object{"name": fmt.Sprintf("node-%d", n), "creationTimestamp": began},
			"status": object{"allocatable": object{"cpu": "16", "memory": "64Gi", "pods": "110"},
				"conditions": []object{{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-03-01T12:59:00Z"}}},
		})
	}
	for key, items := range lists {
		objects += len(items)
		n, err := writeList(dir, key, items)
		if err != nil {
			return 0, 0, err
		}
		bytes += n
	}
	return objects, bytes, nil
}

func podName(p int) string { return fmt.Sprintf("app-%d-abc-%d", p/perWorkload, p) }

func newPod(p, workloads, nodes int) object {
	app := fmt.Sprintf("app-%d", p/perWorkload)
	status := object{"name": "main", "ready": true, "restartCount": 0, "containerID": fmt.Sprintf("containerd://%064x", p), "image": "registry.example/" + app + ":1",
		"state": object{"running": object{"startedAt": began}}}
	ready := "True"
	if p%50 == 0 {
		ready = "False"
		status["ready"], status["restartCount"] = false, 4
		status["state"] = object{"waiting": object{"reason": "CrashLoopBackOff"}}
		status["lastState"] = object{"terminated": object{"exitCode": 137, "reason": "OOMKilled", "startedAt": "2026-03-01T12:30:00Z", "finishedAt": "2026-03-01T12:40:00Z"}}
	}
	var env []object
	for i := range 12 {
		env = append(env, object{"name": fmt.Sprintf("SETTING_%d", i), "value": strings.Repeat("x", 40)})
	}
	env = append(env, object{"name": "UPSTREAM", "value": fmt.Sprintf("http://app-%d:80", (p/perWorkload+1)%workloads)})
	return object{
		"metadata": metadata(podName(p), object{
			"labels": object{"app": app, "pod-template-hash": "abc"}, "ownerReferences": owner("apps/v1", "ReplicaSet", app+"-abc"),
			"managedFields": []object{{"manager": "kubelet", "operation": "Update", "time": began, "fieldsV1": object{"f:status": object{"f:conditions": object{strings.Repeat("k", 1500): object{}}}}}},
		}),
		"spec": object{"nodeName": fmt.Sprintf("node-%d", p%nodes), "containers": []object{{
			"name": "main", "image": "registry.example/" + app + ":1", "env": env,
			"resources": object{"requests": object{"cpu": "100m", "memory": "64Mi"}, "limits": object{"memory": "64Mi"}},
		}}},
		"status": object{
			"phase": "Running", "startTime": began, "podIP": fmt.Sprintf("10.%d.%d.%d", p/62500, p/250%250, p%250+1),
			"conditions":        []object{{"type": "Ready", "status": ready, "lastTransitionTime": began}, {"type": "PodScheduled", "status": "True", "lastTransitionTime": began}},
			"containerStatuses": []object{status},
		},
	}
}

// writeList writes one typed list; key is file, apiVersion and kind.
func writeList(dir, key string, items []object) (int64, error) {
	parts := strings.Fields(key)
	path := filepath.Join(dir, "bench", parts[0]+".json")
	if parts[0] == "nodes" {
		path = filepath.Join(dir, "nodes.json")
	}
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b := bufio.NewWriter(f)
	e := json.NewEncoder(b)
	e.SetIndent("", "    ")
	if err := e.Encode(object{"kind": parts[2] + "List", "apiVersion": parts[1], "metadata": object{}, "items": items}); err != nil {
		return 0, err
	}
	if err := b.Flush(); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), f.Close()
}
