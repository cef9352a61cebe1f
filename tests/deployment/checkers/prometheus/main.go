// Command prometheus reads PromQL expressions, a JSON array of strings, and prints for each which
// metrics it asks for and which labels it holds to equal or match. It fails on an expression that
// does not parse.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Selector is one `name{label="value"}` of an expression; Labels has what is asked for by = and =~.
type Selector struct {
	Metric string            `json:"metric"`
	Labels map[string]string `json:"labels"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var expressions []string
	if err := json.NewDecoder(os.Stdin).Decode(&expressions); err != nil {
		return err
	}
	promql := parser.NewParser(parser.Options{})
	found := make([][]Selector, len(expressions))
	for number, expression := range expressions {
		parsed, err := promql.ParseExpr(expression)
		if err != nil {
			return fmt.Errorf("%s: %w", expression, err)
		}
		found[number] = []Selector{}
		parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
			if selector, is := node.(*parser.VectorSelector); is {
				found[number] = append(found[number], selectorOf(selector))
			}
			return nil
		})
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func selectorOf(selector *parser.VectorSelector) Selector {
	found := Selector{Metric: selector.Name, Labels: map[string]string{}}
	for _, matcher := range selector.LabelMatchers {
		if matcher.Name == labels.MetricName {
			if matcher.Type == labels.MatchEqual {
				found.Metric = matcher.Value
			}
			continue
		}
		if matcher.Type == labels.MatchEqual || matcher.Type == labels.MatchRegexp {
			found.Labels[matcher.Name] = matcher.Value
		}
	}
	return found
}
