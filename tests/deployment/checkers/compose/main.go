// Command compose loads compose files as `docker compose` does, each over those before it, with the
// variables of one .env file and none of the shell's, and prints the project that comes of it as JSON. It fails on keys that are
// not known, on services, networks and volumes that are named and not there, and on variables that
// have to be set and are not.
//
//	compose ENV_FILE FILE...
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return fmt.Errorf("usage: compose ENV_FILE FILE...")
	}
	options, err := cli.NewProjectOptions(
		arguments[1:],
		cli.WithWorkingDirectory(filepath.Dir(arguments[1])),
		cli.WithEnvFiles(arguments[0]),
		cli.WithDotEnv,
		cli.WithInterpolation(true),
		cli.WithResolvedPaths(true),
		cli.WithConsistency(true),
	)
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	// Where an env_file has to be there, it is looked for here.
	project, err = project.WithServicesEnvironmentResolved(false)
	if err != nil {
		return err
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}
