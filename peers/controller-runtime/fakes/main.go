// Command fakes asks client-go's fake clientset and controller-runtime's fake client what an API server is asked, and
// prints what they do as the table of docs/behaviours.md. With KUBECONFIG set it asks that server too.
//
// As `fakes scenario questions` it plays the scenario of peers/README.md on the server alone.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/kubernetes"
	clientfake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	crfake "sigs.k8s.io/controller-runtime/pkg/client/fake"

	"optilock/peers/client-go/experiment/scenario"
)

// column is one that is asked: each question begins with a new one.
type column struct {
	title string
	open  func(context.Context) (subject, error)
}

func fakes() []column {
	return []column{
		{"client-go's fake", func(context.Context) (subject, error) {
			return clientset{clientfake.NewClientset(), namespace}, nil
		}},
		{"controller-runtime's fake", func(context.Context) (subject, error) {
			return runtime{crfake.NewClientBuilder().Build(), namespace}, nil
		}},
	}
}

// server is an API server. Each question has a namespace of its own there.
func server(config *rest.Config) (column, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return column{}, err
	}
	return column{"API server", func(ctx context.Context) (subject, error) {
		name, err := newNamespace(ctx, client)
		return clientset{client, name}, err
	}}, nil
}

// answer is what one says to a question. One that panics has given an answer too.
func (c column) answer(ctx context.Context, question question) (answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	asked, err := c.open(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.title, err)
	}
	defer asked.close()
	defer func() {
		if recover() != nil {
			answer = "panics"
		}
	}()
	return question.ask(ctx, asked), nil
}

// table is the answers to all questions, a line each.
func table(ctx context.Context, columns []column) ([]string, error) {
	head, rule := "| question |", "|---|"
	for _, column := range columns {
		head += " " + column.title + " |"
		rule += "---|"
	}
	lines := []string{head, rule}
	for _, question := range questions {
		line := "| " + question.text + " |"
		for _, column := range columns {
			answer, err := column.answer(ctx, question)
			if err != nil {
				return nil, err
			}
			line += " " + answer + " |"
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// ofServer is the answers of an API server, by question.
func ofServer(ctx context.Context, config *rest.Config) (any, error) {
	column, err := server(config)
	if err != nil {
		return nil, err
	}
	answers := map[string]string{}
	for _, question := range questions {
		if answers[question.text], err = column.answer(ctx, question); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

func run() error {
	columns := fakes()
	if kubeconfig := os.Getenv("KUBECONFIG"); kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return err
		}
		config.QPS = -1
		real, err := server(config)
		if err != nil {
			return err
		}
		columns = append([]column{real}, columns...)
	}
	lines, err := table(context.Background(), columns)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(lines, "\n"))
	return nil
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "scenario" {
		os.Exit(scenario.Main(os.Args[2:], map[string]scenario.Func{"questions": ofServer}))
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fakes:", err)
		os.Exit(1)
	}
}
