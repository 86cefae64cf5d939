package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// server is the kube-apiserver that is asked.
type server struct {
	base   string
	client *http.Client
}

// get decodes the JSON answer of a path.
func (s *server) get(path, accept string, into any) error {
	request, err := http.NewRequest(http.MethodGet, s.base+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", accept)
	answer, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, answer.Status, body)
	}
	return json.Unmarshal(body, into)
}

// resource is a line of resources.json.
type resource struct {
	Group        string        `json:"group"`
	Version      string        `json:"version"`
	Plural       string        `json:"plural"`
	Singular     string        `json:"singular"`
	Kind         string        `json:"kind"`
	Namespaced   bool          `json:"namespaced"`
	Verbs        []string      `json:"verbs"`
	ShortNames   []string      `json:"shortNames,omitempty"`
	Categories   []string      `json:"categories,omitempty"`
	Subresources []subresource `json:"subresources,omitempty"`
	Columns      []column      `json:"columns,omitempty"`
}

type subresource struct {
	Name  string   `json:"name"`
	Kind  gvk      `json:"gvk"`
	Verbs []string `json:"verbs"`
}

type gvk struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

type column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Format   string `json:"format,omitempty"`
	Priority int32  `json:"priority,omitempty"`
}

// resources lists what the server serves, in the order of its aggregated discovery.
func (s *server) resources() ([]resource, error) {
	type discovered struct {
		Items []struct {
			Metadata struct{ Name string }
			Versions []struct {
				Version   string
				Resources []struct {
					Resource         string
					SingularResource string
					ResponseKind     *gvk
					Scope            string
					Verbs            []string
					ShortNames       []string
					Categories       []string
					Subresources     []struct {
						Subresource  string
						ResponseKind *gvk
						Verbs        []string
					}
				}
			}
		}
	}
	var all []resource
	for _, root := range []string{"/api", "/apis"} {
		var list discovered
		if err := s.get(root, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", &list); err != nil {
			return nil, err
		}
		for _, group := range list.Items {
			for _, version := range group.Versions {
				// An empty group or version of a kind means the one that it is listed in.
				complete := func(kind *gvk) gvk {
					full := *kind
					if full.Group == "" && full.Version == "" {
						full.Group, full.Version = group.Metadata.Name, version.Version
					}
					return full
				}
				for _, r := range version.Resources {
					if r.ResponseKind == nil {
						return nil, fmt.Errorf("%s has no kind", r.Resource)
					}
					one := resource{
						Group: group.Metadata.Name, Version: version.Version,
						Plural: r.Resource, Singular: r.SingularResource, Kind: r.ResponseKind.Kind,
						Namespaced: r.Scope == "Namespaced", Verbs: r.Verbs,
						ShortNames: r.ShortNames, Categories: r.Categories,
					}
					for _, sub := range r.Subresources {
						if sub.ResponseKind == nil {
							return nil, fmt.Errorf("%s/%s has no kind", r.Resource, sub.Subresource)
						}
						one.Subresources = append(one.Subresources, subresource{sub.Subresource, complete(sub.ResponseKind), sub.Verbs})
					}
					sort.Slice(one.Subresources, func(i, j int) bool { return one.Subresources[i].Name < one.Subresources[j].Name })
					var err error
					if one.Columns, err = s.columns(one); err != nil {
						return nil, err
					}
					all = append(all, one)
				}
			}
		}
	}
	return all, nil
}

// columns asks for the table of a resource.
func (s *server) columns(r resource) ([]column, error) {
	listable := false
	for _, verb := range r.Verbs {
		listable = listable || verb == "list"
	}
	if !listable {
		return nil, nil
	}
	path := "/apis/" + r.Group + "/" + r.Version + "/" + r.Plural
	if r.Group == "" {
		path = "/api/" + r.Version + "/" + r.Plural
	}
	var table struct{ ColumnDefinitions []column }
	err := s.get(path+"?limit=1", "application/json;as=Table;v=v1;g=meta.k8s.io", &table)
	return table.ColumnDefinitions, err
}

// property is what OpenAPI says about a field.
type property struct {
	Default     json.RawMessage `json:"default"`
	Enum        []string        `json:"enum"`
	ListType    string          `json:"x-kubernetes-list-type"`
	ListMapKeys []string        `json:"x-kubernetes-list-map-keys"`
	MapType     string          `json:"x-kubernetes-map-type"`
	Items       *property       `json:"items"`
	AllOf       []struct {
		Ref string `json:"$ref"`
	} `json:"allOf"`
	Ref string `json:"$ref"`
}

// definition is what OpenAPI says about a type.
type definition struct {
	Properties map[string]property `json:"properties"`
	Required   []string            `json:"required"`
	MapType    string              `json:"x-kubernetes-map-type"`
}

// openapi collects the definitions of all served versions, by name.
func (s *server) openapi() (map[string]definition, error) {
	var index struct {
		Paths map[string]struct{ ServerRelativeURL string }
	}
	if err := s.get("/openapi/v3", "application/json", &index); err != nil {
		return nil, err
	}
	all := map[string]definition{}
	for path, at := range index.Paths {
		if !strings.HasPrefix(path, "api/") && !strings.HasPrefix(path, "apis/") {
			continue
		}
		var document struct {
			Components struct{ Schemas map[string]definition }
		}
		if err := s.get(at.ServerRelativeURL, "application/json", &document); err != nil {
			return nil, err
		}
		for name, one := range document.Components.Schemas {
			all[name] = one
		}
	}
	return all, nil
}

// servedVersions are the group versions of the resources, and those that only carry meta kinds.
func servedVersions(resources []resource) map[schema.GroupVersion]bool {
	served := map[schema.GroupVersion]bool{
		{Group: "meta.k8s.io", Version: "v1"}:      true,
		{Group: "admission.k8s.io", Version: "v1"}: true,
	}
	for _, r := range resources {
		served[schema.GroupVersion{Group: r.Group, Version: r.Version}] = true
		for _, sub := range r.Subresources {
			served[schema.GroupVersion{Group: sub.Kind.Group, Version: sub.Kind.Version}] = true
		}
	}
	return served
}

// writeResources writes a JSON array, one resource a line.
func writeResources(dir string, resources []resource) error {
	var out strings.Builder
	for i, r := range resources {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		out.WriteString(map[bool]string{true: "[\n", false: ",\n"}[i == 0])
		out.Write(line)
	}
	out.WriteString("\n]\n")
	return os.WriteFile(filepath.Join(dir, "resources.json"), []byte(out.String()), 0o644)
}
