package main

import "encoding/json"

const (
	plain      = "application/json"
	aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
)

// document is an answer, byte for byte.
type document struct {
	Path       string          `json:"path"`
	Aggregated bool            `json:"aggregated,omitempty"`
	Body       json.RawMessage `json:"body"`
}

// recordDocuments writes the documents of discovery, in both forms.
func recordDocuments(server *server, file string) error {
	var groups struct {
		Groups []struct {
			Name     string
			Versions []struct{ GroupVersion string }
		}
	}
	if _, err := server.get("/apis", plain, &groups); err != nil {
		return err
	}
	paths := []string{"/api", "/apis", "/api/v1"}
	for _, group := range groups.Groups {
		paths = append(paths, "/apis/"+group.Name)
		for _, version := range group.Versions {
			paths = append(paths, "/apis/"+version.GroupVersion)
		}
	}
	var documents []any
	add := func(path, accept string) error {
		var body json.RawMessage
		if _, err := server.get(path, accept, &body); err != nil {
			return err
		}
		documents = append(documents, document{path, accept == aggregated, body})
		return nil
	}
	for _, path := range paths {
		if err := add(path, plain); err != nil {
			return err
		}
	}
	for _, path := range []string{"/api", "/apis"} {
		if err := add(path, aggregated); err != nil {
			return err
		}
	}
	return lines(file, documents)
}
