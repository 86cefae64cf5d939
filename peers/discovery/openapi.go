package main

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// The documents whose types are recorded: together they have every shape that there is.
var recordedTypes = []string{"apis/apiextensions.k8s.io/v1", "apis/apps/v1", "apis/autoscaling/v2"}

// The documents whose operations are recorded in full; of others it is their names.
var recordedOperations = []string{"apis/authorization.k8s.io/v1", "apis/autoscaling/v2", "apis/node.k8s.io/v1"}

type openAPI struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct{ Schemas map[string]any }
}

type operation struct {
	ID        string `json:"operationId"`
	Action    string `json:"x-kubernetes-action"`
	Responses map[string]struct {
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
}

// summary is the operation's name, what it does and the type of its answer.
func (o *operation) summary() string {
	ref := o.Responses["200"].Content[plain].Schema.Ref
	return strings.Join([]string{o.ID, o.Action, ref[strings.LastIndex(ref, ".")+1:]}, " ")
}

type recordedSchema struct {
	Document string `json:"document"`
	Name     string `json:"name"`
	Schema   any    `json:"schema"`
}

type recordedPath struct {
	Document string `json:"document"`
	Path     string `json:"path"`
	// Item is the path in full.
	Item any `json:"item,omitempty"`
	// Operations are summaries by method.
	Operations map[string]string `json:"operations,omitempty"`
}

// recordOpenAPI writes what the documents of OpenAPI have, without descriptions.
func recordOpenAPI(server *server, data string) error {
	var index struct{ Paths map[string]any }
	if _, err := server.get("/openapi/v3", plain, &index); err != nil {
		return err
	}
	var paths, schemas []any
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(index.Paths)) {
		if !strings.HasPrefix(name, "api") {
			continue
		}
		var document openAPI
		if _, err := server.get("/openapi/v3/"+name, plain, &document); err != nil {
			return err
		}
		for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
			recorded, err := reduce(name, path, document.Paths[path])
			if err != nil {
				return err
			}
			paths = append(paths, recorded)
		}
		if !slices.Contains(recordedTypes, name) {
			continue
		}
		for _, schema := range slices.Sorted(maps.Keys(document.Components.Schemas)) {
			if !seen[schema] {
				seen[schema] = true
				value := withoutDescriptions(document.Components.Schemas[schema])
				schemas = append(schemas, recordedSchema{name, schema, value})
			}
		}
	}
	if err := lines(filepath.Join(data, "openapi-paths.jsonl"), paths); err != nil {
		return err
	}
	return lines(filepath.Join(data, "openapi-types.jsonl"), schemas)
}

func reduce(document, path string, item map[string]json.RawMessage) (any, error) {
	recorded := recordedPath{Document: document, Path: path}
	if slices.Contains(recordedOperations, document) {
		var value any
		text, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &value); err != nil {
			return nil, err
		}
		recorded.Item = withoutDescriptions(value)
		return recorded, nil
	}
	recorded.Operations = map[string]string{}
	for method, text := range item {
		if method == "parameters" {
			continue
		}
		var operation operation
		if err := json.Unmarshal(text, &operation); err != nil {
			return nil, err
		}
		recorded.Operations[method] = operation.summary()
	}
	return recorded, nil
}

// withoutDescriptions drops descriptions, which are texts; a property of that name is none.
func withoutDescriptions(value any) any {
	switch value := value.(type) {
	case map[string]any:
		if text, ok := value["description"].(string); ok && text != "" {
			delete(value, "description")
		}
		for name, member := range value {
			value[name] = withoutDescriptions(member)
		}
	case []any:
		for i, item := range value {
			value[i] = withoutDescriptions(item)
		}
	}
	return value
}
