package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	namespaces = "/api/v1/namespaces/"
	asTable    = "application/json;as=Table;v=v1;g=meta.k8s.io"
	// name is the namespace, and the start of the names of what is in none: {name} in objects.jsonl.
	name = "optilock-recording"
)

// entry is a line of objects.jsonl: an object to create, and what becomes of it.
type entry struct {
	// Path of the collection.
	Path   string         `json:"path"`
	Object map[string]any `json:"object"`
	// Status that it gets, if any.
	Status map[string]any `json:"status"`
	// Delete it and look at what its finalizers keep.
	Delete bool `json:"delete"`
}

// recordedRow is an object and its row, and when the row was made.
type recordedRow struct {
	Path   string         `json:"path"`
	Now    string         `json:"now"`
	Object map[string]any `json:"object"`
	Cells  []any          `json:"cells"`
	// Conditions of the row, where it has any.
	Conditions json.RawMessage `json:"conditions,omitempty"`
}

// recordTables creates the objects, writes their rows and deletes them.
func recordTables(server *server, data string) (failure error) {
	text, err := os.ReadFile(filepath.Join(data, "objects.jsonl"))
	if err != nil {
		return err
	}
	namespace := map[string]any{"metadata": map[string]any{"name": name}}
	if _, _, err := server.send(http.MethodPost, strings.TrimSuffix(namespaces, "/"), nil, namespace); err != nil {
		return err
	}
	defer func() { failure = errors.Join(failure, remove(server, namespaces+name)) }()
	var rows []any
	text = bytes.ReplaceAll(text, []byte("{name}"), []byte(name))
	for number, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var entry entry
		if err := json.Unmarshal(line, &entry); err != nil {
			return fmt.Errorf("line %d: %w", number+1, err)
		}
		row, err := entry.record(server)
		if err != nil {
			return fmt.Errorf("line %d: %w", number+1, err)
		}
		rows = append(rows, row)
	}
	return lines(filepath.Join(data, "rows.jsonl"), rows)
}

func (e *entry) record(server *server) (row *recordedRow, failure error) {
	if _, _, err := server.send(http.MethodPost, e.Path, nil, e.Object); err != nil {
		return nil, err
	}
	path := e.Path + "/" + e.Object["metadata"].(map[string]any)["name"].(string)
	defer func() { failure = errors.Join(failure, remove(server, path)) }()
	if e.Status != nil {
		patch := map[string]any{"status": e.Status}
		if _, _, err := server.send(http.MethodPatch, path+"/status", mergePatch(), patch); err != nil {
			return nil, err
		}
	}
	if e.Delete {
		if _, _, err := server.send(http.MethodDelete, path, nil, nil); err != nil {
			return nil, err
		}
	}
	return read(server, e.Path, path)
}

// read asks for an object's row until two answers are of the same second, so that it is known in
// which second the row was made.
func read(server *server, collection, path string) (*recordedRow, error) {
	var before time.Time
	for {
		var table struct{ Rows []*recordedRow }
		response, err := server.get(path+"?includeObject=Object", asTable, &table)
		if err != nil {
			return nil, err
		}
		now, err := http.ParseTime(response.Header.Get("Date"))
		if err != nil {
			return nil, err
		}
		if now.Equal(before) {
			row := table.Rows[0]
			row.Path = collection
			row.Now = now.UTC().Format(time.RFC3339)
			metadata := row.Object["metadata"].(map[string]any)
			for _, member := range []string{"managedFields", "uid", "resourceVersion"} {
				delete(metadata, member)
			}
			return row, nil
		}
		before = now
	}
}

func mergePatch() http.Header {
	return http.Header{"Content-Type": {"application/merge-patch+json"}}
}

// remove deletes an object, whatever finalizers it has.
func remove(server *server, path string) error {
	immediately := map[string]any{"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
	if _, _, err := server.send(http.MethodDelete, path, nil, immediately); err != nil {
		return err
	}
	if namespace, ok := strings.CutPrefix(path, namespaces); ok && !strings.Contains(namespace, "/") {
		return finalize(server, path)
	}
	patch := map[string]any{"metadata": map[string]any{"finalizers": nil}}
	_, _, err := server.send(http.MethodPatch, path, mergePatch(), patch)
	if err != nil && strings.Contains(err.Error(), "404 Not Found") {
		return nil
	}
	return err
}

// finalize does for a namespace what the namespace controller would do.
func finalize(server *server, path string) error {
	var namespace map[string]any
	if _, err := server.get(path, plain, &namespace); err != nil {
		return err
	}
	namespace["spec"] = map[string]any{}
	_, _, err := server.send(http.MethodPut, path+"/finalize", nil, namespace)
	return err
}
