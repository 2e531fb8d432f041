package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	authnv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/yairfalse/tapio/correlate/words"
	"github.com/yairfalse/tapio/probe/launch"
	"github.com/yairfalse/tapio/probe/session"
	"github.com/yairfalse/tapio/tui/escape"
)

type preflightOptions struct {
	*common
	namespace string // of the probes
	profile   string
	image     string
	priority  string
	grant     bool
	user      string
	output    string

	nodes  []string
	rest   *rest.Config
	client kubernetes.Interface
}

func newPreflight(c *common) *cobra.Command {
	o := &preflightOptions{common: c}
	cmd := &cobra.Command{
		Use:   "preflight [NODE...]",
		Short: "Tell what would work here: rights, admission, nodes, kernels",
		Long: "Asks the cluster what a run of explain would meet: whether you may create probes, whether\n" +
			"the namespace admits them, and which nodes can run one. Nothing is created. --grant prints\n" +
			"the roles to ask for.",
		Example: `  # can probes run here?
  kubectl tapio preflight

  # what to ask the cluster's admin for
  kubectl tapio preflight --grant -o yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.nodes = args
			if err := o.complete(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.namespace, "probe-namespace", "", "namespace for the probes; by default kube-system")
	f.StringVar(&o.profile, "profile", string(launch.Privileged), "privilege of the probes: privileged or caps")
	f.StringVar(&o.image, "probe-image", "", "image with the probe, instead of one that is on the node")
	f.StringVar(&o.priority, "priority-class", "", "priority class of the probes")
	f.BoolVar(&o.grant, "grant", false, "print the roles that probes need, and who gets them")
	f.StringVar(&o.user, "user-name", "", "user whom --grant names; by default the one you are")
	f.StringVarP(&o.output, "output", "o", "", "format of --grant: yaml or json")
	return cmd
}

func (o *preflightOptions) complete() error {
	if o.output != "" && !slices.Contains([]string{"json", "yaml"}, o.output) {
		return fmt.Errorf("unknown output format %q: allowed are json and yaml", o.output)
	}
	if o.output != "" && !o.grant {
		return fmt.Errorf("-o %s is the format of --grant: pass both", o.output)
	}
	var err error
	if o.rest, err = o.config.ToRESTConfig(); err != nil {
		return err
	}
	o.client, err = launch.NewClient(o.rest)
	return err
}

func (o *preflightOptions) run(ctx context.Context) error {
	if o.grant {
		return o.printGrant(ctx)
	}
	infos, err := o.nodeInfos(ctx)
	if err != nil {
		return err
	}
	cfg := session.Config{
		Rest: o.rest, Client: o.client, Namespace: o.namespace, Profile: launch.Profile(o.profile),
		Image: o.image, PriorityClass: o.priority,
	}
	for _, name := range o.nodes {
		cfg.Nodes = append(cfg.Nodes, session.Node{Name: name})
	}
	plan, err := session.NewPlan(ctx, cfg)
	if err != nil {
		return err
	}
	describePlan(o.Out, plan.Namespace(), o.profile, plan.Nodes(), infos)
	return nil
}

// nodeInfos lists the nodes, unless the user named some, and what they say of
// their systems.
func (o *preflightOptions) nodeInfos(ctx context.Context) (map[string]corev1.NodeSystemInfo, error) {
	infos := map[string]corev1.NodeSystemInfo{}
	list, err := o.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		if len(o.nodes) > 0 {
			return infos, nil // the plan tells what it can of each
		}
		if apierrors.IsForbidden(err) {
			return nil, errors.New("no right to list nodes: name some, or see kubectl tapio preflight --grant -o yaml")
		}
		return nil, err
	}
	for _, n := range list.Items {
		infos[n.Name] = n.Status.NodeInfo
	}
	if len(o.nodes) == 0 {
		for name := range infos {
			o.nodes = append(o.nodes, name)
		}
		slices.Sort(o.nodes)
	}
	return infos, nil
}

// describePlan says in one line what holds for all nodes, and then one for each
// node. Nodes that are refused for the same reason are told together.
func describePlan(w io.Writer, namespace, profile string, nodes []session.NodePlan, infos map[string]corev1.NodeSystemInfo) {
	line := func(head, text string) { fmt.Fprintf(w, "%-10s%s\n", head, escape.Text(text)) }
	var ready []session.NodePlan
	var why []*launch.Refused
	refused := map[string][]string{}
	for _, n := range nodes {
		if n.Refused == nil {
			ready = append(ready, n)
			continue
		}
		text := n.Refused.Error()
		if refused[text] == nil {
			why = append(why, n.Refused)
		}
		refused[text] = append(refused[text], n.Name)
	}
	line("PROBES", fmt.Sprintf("would run on %d of %s, in %s, %s", len(ready), words.Count(len(nodes), "node"), namespace, profile))
	noRight := false
	for _, r := range why {
		noRight = noRight || r.Reason == launch.NoRight
		names := refused[r.Error()]
		shown := strings.Join(names[:min(len(names), 8)], ", ")
		if len(names) > 8 {
			shown += fmt.Sprintf(" and %d more", len(names)-8)
		}
		line("NOT ON", shown)
		line("", r.Within(launch.MaxSentence-10))
	}
	for _, n := range ready {
		line("NODE", n.Name+": "+nodeWords(infos[n.Name], n.Image))
	}
	if noRight {
		line("DO", "kubectl tapio preflight --grant -o yaml   prints what to ask for")
	}
	if len(ready) < len(nodes) {
		line("", "without a probe explain tells the story from the API")
	}
}

// oldestKernel is the first one with all the hooks that probes use.
var oldestKernel = version.MajorMinor(6, 1)

func nodeWords(info corev1.NodeSystemInfo, image string) string {
	text := "carried by " + image
	if info.KernelVersion == "" {
		return text
	}
	text = fmt.Sprintf("%s/%s, kernel %s, %s", info.OperatingSystem, info.Architecture, info.KernelVersion, text)
	if v, err := version.ParseGeneric(info.KernelVersion); err == nil && v.LessThan(oldestKernel) {
		text += "; older than " + oldestKernel.String() + ": kernel log and counters only"
	}
	return text
}

// printGrant prints the roles that probes need, bound to the user.
func (o *preflightOptions) printGrant(ctx context.Context) error {
	user := o.user
	if user == "" {
		me, err := o.client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authnv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("the cluster does not tell who you are, pass --user-name: %w", err)
		}
		user = me.Status.UserInfo.Username
	}
	namespace := o.namespace
	if namespace == "" {
		namespace = launch.SystemNamespace
	}
	format := o.output
	if format == "" {
		format = "yaml"
	}
	return printObjects(o.Out, grants(user, namespace, o.image == ""), format)
}

// grants are the roles that launching probes needs, and their bindings. What
// reading the target needs is in the cluster's own role "view".
func grants(user, namespace string, delivered bool) []runtime.Object {
	const name = "tapio-probes"
	rules := map[string]*rbacv1.PolicyRule{}
	var order []string
	add := func(r launch.Right) {
		key := r.Group + "/" + r.Name()
		if rules[key] == nil {
			rules[key] = &rbacv1.PolicyRule{APIGroups: []string{r.Group}, Resources: []string{r.Name()}}
			order = append(order, key)
		}
		rules[key].Verbs = append(rules[key].Verbs, r.Verb)
	}
	for _, r := range launch.Rights(delivered) {
		add(r)
	}
	role := &rbacv1.Role{TypeMeta: rbacType("Role"), ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	for _, key := range order {
		role.Rules = append(role.Rules, *rules[key])
	}
	nodes := &rbacv1.ClusterRole{TypeMeta: rbacType("ClusterRole"), ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list"}}}}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
	ref := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	return []runtime.Object{
		role,
		&rbacv1.RoleBinding{TypeMeta: rbacType("RoleBinding"), ObjectMeta: role.ObjectMeta, Subjects: subjects, RoleRef: ref("Role")},
		nodes,
		&rbacv1.ClusterRoleBinding{TypeMeta: rbacType("ClusterRoleBinding"), ObjectMeta: nodes.ObjectMeta, Subjects: subjects, RoleRef: ref("ClusterRole")},
	}
}

func rbacType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
}
