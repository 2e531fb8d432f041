package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

// completionName is the program that kubectl (1.26 and newer) looks for on PATH
// and asks what can follow "kubectl tapio": it gets the words after the plugin's
// name and prints what cobra's __complete prints.
const completionName = "kubectl_complete-tapio"

// completing tells whether the program was called by the name of its
// completion, and which arguments cobra then needs.
func completing(argv []string) ([]string, bool) {
	if len(argv) == 0 {
		return nil, false
	}
	name := filepath.Base(argv[0])
	if runtime.GOOS == "windows" {
		name = strings.TrimSuffix(strings.ToLower(name), ".exe")
	}
	if name != completionName {
		return nil, false
	}
	words := argv[1:]
	if len(words) == 0 {
		words = []string{""}
	}
	return append([]string{cobra.ShellCompRequestCmd}, words...), true
}

const completionLong = `kubectl completes the words of a plugin when a program named ` + completionName + `
is on PATH (kubectl 1.26 and newer; its own completion must be set up, see
kubectl completion --help). This plugin answers to that name too, so one link is enough:

  ln -s "$(command -v kubectl-tapio)" "$(dirname "$(command -v kubectl-tapio)")/` + completionName + `"

install makes this link beside the plugin, remove takes it away. krew does not know of the
link: remove it before you uninstall the plugin.`

func newCompletion(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion",
		Short: "Let the shell complete kubectl tapio",
		Long:  completionLong,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	linking := func(use, short string, do func(plugin, link string) (string, error)) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				plugin, err := exec.LookPath("kubectl-tapio")
				if err != nil {
					return errors.New("kubectl-tapio is not on PATH: put it there first, the link goes beside it")
				}
				if plugin, err = filepath.Abs(plugin); err != nil {
					return err
				}
				said, err := do(plugin, filepath.Join(filepath.Dir(plugin), completionName+filepath.Ext(plugin)))
				if err == nil {
					fmt.Fprintln(c.Out, said)
				}
				return err
			},
		}
	}
	cmd.AddCommand(
		linking("install", "Make the link that kubectl looks for", makeLink),
		linking("remove", "Remove the link", removeLink),
	)
	return cmd
}

// makeLink links to the plugin by its name on PATH, which krew keeps across
// upgrades.
func makeLink(plugin, link string) (string, error) {
	target := filepath.Base(plugin)
	switch there, err := os.Readlink(link); {
	case err == nil && there == target:
		return link + " is there already", nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s is there and not made by this command: remove it first", link)
	}
	if err := os.Symlink(target, link); err != nil {
		return "", fmt.Errorf("make the link for completion: %w", err)
	}
	return "made " + link, nil
}

// removeLink removes only what makeLink makes.
func removeLink(plugin, link string) (string, error) {
	switch there, err := os.Readlink(link); {
	case errors.Is(err, fs.ErrNotExist):
		return link + " is not there", nil
	case err != nil || there != filepath.Base(plugin):
		return "", fmt.Errorf("%s is not made by this command: it stays", link)
	}
	if err := os.Remove(link); err != nil {
		return "", fmt.Errorf("remove the link for completion: %w", err)
	}
	return "removed " + link, nil
}
