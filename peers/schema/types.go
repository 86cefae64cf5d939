package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// kind is a kind with its Go type.
type kind struct {
	schema.GroupVersionKind
	Type reflect.Type
}

// metaKinds are registered in every version; one line stands for all.
var metaKinds = map[string]bool{
	"ListOptions": true, "GetOptions": true, "DeleteOptions": true, "CreateOptions": true,
	"UpdateOptions": true, "PatchOptions": true, "WatchEvent": true,
}

// servedKinds are the kinds of the served versions, sorted.
func servedKinds(types *runtime.Scheme, resources []resource) []kind {
	served := servedVersions(resources)
	var kinds []kind
	for name, ty := range types.AllKnownTypes() {
		if !served[name.GroupVersion()] {
			continue
		}
		if metaKinds[name.Kind] && ty.PkgPath() == reflect.TypeFor[meta.DeleteOptions]().PkgPath() {
			if name.Group != "" {
				continue
			}
			name.Group, name.Version = "*", "*"
		}
		kinds = append(kinds, kind{name, ty})
	}
	sort.Slice(kinds, func(i, j int) bool { return kinds[i].line() < kinds[j].line() })
	return kinds
}

func (k kind) line() string {
	version := k.Version
	if k.Group != "" {
		version = k.Group + "/" + k.Version
	}
	return version + " " + k.Kind + " " + openAPIName(k.Type)
}

// openAPIName is the name of a type in OpenAPI: k8s.io/api/apps/v1.Deployment becomes
// io.k8s.api.apps.v1.Deployment.
func openAPIName(ty reflect.Type) string {
	segments := strings.Split(ty.PkgPath(), "/")
	host := strings.Split(segments[0], ".")
	for i, j := 0, len(host)-1; i < j; i, j = i+1, j-1 {
		host[i], host[j] = host[j], host[i]
	}
	segments[0] = strings.Join(host, ".")
	return strings.Join(append(segments, ty.Name()), ".")
}

// row is a type, ready to be written.
type row struct {
	name   string
	atomic bool
	fields []string
}

// describe walks all types that can be reached from the kinds.
func describe(kinds []kind, openapi map[string]definition) ([]row, error) {
	w := walker{openapi: openapi, seen: map[reflect.Type]bool{}}
	for _, k := range kinds {
		w.visit(k.Type)
	}
	for len(w.queue) > 0 {
		ty := w.queue[0]
		w.queue = w.queue[1:]
		one, err := w.describe(ty)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ty, err)
		}
		w.rows = append(w.rows, one)
	}
	sort.Slice(w.rows, func(i, j int) bool { return w.rows[i].name < w.rows[j].name })
	for i := 1; i < len(w.rows); i++ {
		if w.rows[i].name == w.rows[i-1].name {
			return nil, fmt.Errorf("two types are called %s", w.rows[i].name)
		}
	}
	return w.rows, nil
}

type walker struct {
	openapi map[string]definition
	seen    map[reflect.Type]bool
	queue   []reflect.Type
	rows    []row
}

func (w *walker) visit(ty reflect.Type) {
	if !w.seen[ty] {
		w.seen[ty] = true
		w.queue = append(w.queue, ty)
	}
}

func (w *walker) describe(ty reflect.Type) (row, error) {
	name := openAPIName(ty)
	definition := w.openapi[name]
	one := row{name: name, atomic: definition.MapType == "atomic"}
	seen := map[string]bool{}
	err := w.fields(ty, nil, nil, func(f reflect.StructField, proto, within []string) error {
		text, jsonName, err := w.field(ty, f, proto, within, definition)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if seen[jsonName] {
			return fmt.Errorf("field %s is there twice", jsonName)
		}
		seen[jsonName] = true
		one.fields = append(one.fields, text)
		return nil
	})
	return one, err
}

// fields calls back for every JSON field, those of embedded structs included, with its protobuf
// number and the structs that it is embedded in. In protobuf an embedded struct is a message of its
// own, so that a number is a path.
func (w *walker) fields(ty reflect.Type, path, within []string, each func(f reflect.StructField, proto, within []string) error) error {
	for i := range ty.NumField() {
		f := ty.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		proto := append(append([]string{}, path...), protoNumber(f))
		if f.Anonymous && name == "" {
			if f.Type.Kind() != reflect.Struct || (tagged && options != "" && options != "inline") {
				return fmt.Errorf("%s: embedded in a way that is not known here", f.Name)
			}
			if err := w.fields(f.Type, proto, append(append([]string{}, within...), f.Name), each); err != nil {
				return err
			}
			continue
		}
		if err := each(f, proto, within); err != nil {
			return err
		}
	}
	return nil
}

// protoNumber is the field number of the protobuf tag, 0 when there is none.
func protoNumber(f reflect.StructField) string {
	parts := strings.Split(f.Tag.Get("protobuf"), ",")
	if len(parts) < 2 {
		return "0"
	}
	return parts[1]
}

// field renders a field: name, protobuf number, type and what else is known, by blanks.
func (w *walker) field(owner reflect.Type, f reflect.StructField, proto, within []string, definition definition) (text, name string, err error) {
	tag := f.Tag.Get("json")
	name, options, _ := strings.Cut(tag, ",")
	if name == "" {
		name = f.Name // As encoding/json does.
	}
	number := strings.Join(proto, ".")
	for _, step := range proto {
		if step == "0" {
			number = "0"
		}
	}
	ty, pointer := f.Type, ""
	if ty.Kind() == reflect.Pointer {
		ty, pointer = ty.Elem(), "*"
	}
	shape, err := w.shape(owner, ty)
	if err != nil {
		return "", "", err
	}
	words := []string{name, number, pointer + shape}
	for _, option := range strings.Split(options, ",") {
		switch option {
		case "", "inline":
		case "omitempty", "omitzero":
			words = append(words, option)
		default:
			return "", "", fmt.Errorf("json option %q is not known here", option)
		}
	}
	if shape, ok := derivedGoType(ty); !ok {
		words = append(words, "go="+shape)
	}
	if len(within) > 0 {
		words = append(words, "in="+strings.Join(within, "."))
	}
	if strategy := f.Tag.Get("patchStrategy"); strategy != "" {
		words = append(words, "patch="+strategy)
	}
	if key := f.Tag.Get("patchMergeKey"); key != "" {
		words = append(words, "key="+key)
	}
	for _, required := range definition.Required {
		if required == name {
			words = append(words, "required")
		}
	}
	said, err := w.said(definition.Properties[name])
	if err != nil {
		return "", "", err
	}
	words = append(words, said...)
	for _, word := range words {
		if strings.ContainsAny(word, " \t\n") {
			return "", "", fmt.Errorf("%q has a blank", word)
		}
	}
	return strings.Join(words, " "), name, nil
}

// said renders what OpenAPI says about a field.
func (w *walker) said(p property) ([]string, error) {
	var words []string
	if p.ListType != "" {
		words = append(words, "list="+p.ListType)
	}
	if len(p.ListMapKeys) > 0 {
		words = append(words, "keys="+strings.Join(p.ListMapKeys, ","))
	}
	atomic := p.MapType == "atomic"
	for _, all := range p.AllOf {
		atomic = atomic || w.openapi[strings.TrimPrefix(all.Ref, "#/components/schemas/")].MapType == "atomic"
	}
	atomic = atomic || w.openapi[strings.TrimPrefix(p.Ref, "#/components/schemas/")].MapType == "atomic"
	// What a field says of itself goes before what its type says.
	if atomic && p.MapType != "granular" {
		words = append(words, "atomic")
	}
	enum := p.Enum
	if p.Items != nil && len(enum) == 0 {
		enum = p.Items.Enum
	}
	if len(enum) > 0 {
		for _, value := range enum {
			if strings.ContainsAny(value, "|%") {
				return nil, fmt.Errorf("enum value %q has a bar or a percent sign", value)
			}
		}
		words = append(words, "enum="+strings.ReplaceAll(strings.Join(enum, "|"), " ", "%20"))
	}
	switch value := string(p.Default); value {
	case "", `""`, "{}", "0", "false", "null":
	default:
		var compact bytes.Buffer
		if err := json.Compact(&compact, p.Default); err != nil {
			return nil, err
		}
		words = append(words, "default="+compact.String())
	}
	return words, nil
}

// special are the types with a JSON form of their own.
var special = map[reflect.Type]string{
	reflect.TypeFor[meta.Time]():                                  "time",
	reflect.TypeFor[meta.MicroTime]():                             "microtime",
	reflect.TypeFor[meta.Duration]():                              "duration",
	reflect.TypeFor[apiresource.Quantity]():                       "quantity",
	reflect.TypeFor[intstr.IntOrString]():                         "intstr",
	reflect.TypeFor[runtime.RawExtension]():                       "raw",
	reflect.TypeFor[meta.FieldsV1]():                              "raw",
	reflect.TypeFor[apiextensions.JSON]():                         "raw",
	reflect.TypeFor[apiextensions.JSONSchemaPropsOrBool]():        "schema|bool",
	reflect.TypeFor[apiextensions.JSONSchemaPropsOrArray]():       "schema|list",
	reflect.TypeFor[apiextensions.JSONSchemaPropsOrStringArray](): "schema|strings",
}

// unmarshaler tells a type that decodes itself.
var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func (w *walker) shape(owner, ty reflect.Type) (string, error) {
	if name, ok := special[ty]; ok {
		if strings.HasPrefix(name, "schema|") {
			w.visit(reflect.TypeFor[apiextensions.JSONSchemaProps]())
		}
		return name, nil
	}
	if ty.Kind() != reflect.Pointer && reflect.PointerTo(ty).Implements(unmarshaler) {
		return "", fmt.Errorf("%s decodes itself in a way that is not known here", ty)
	}
	switch ty.Kind() {
	case reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float64, reflect.String:
		return ty.Kind().String(), nil
	case reflect.Struct:
		w.visit(ty)
		name := openAPIName(ty)
		if ty.PkgPath() == owner.PkgPath() {
			return name[strings.LastIndex(name, "."):], nil
		}
		return name, nil
	case reflect.Slice:
		if ty.Elem().Kind() == reflect.Uint8 {
			return "bytes", nil
		}
		item, err := w.shape(owner, ty.Elem())
		if isMessage(ty) {
			return "<>" + item, err
		}
		return "[]" + item, err
	case reflect.Map:
		if ty.Key().Kind() != reflect.String {
			return "", fmt.Errorf("a map by %s", ty.Key())
		}
		value, err := w.shape(owner, ty.Elem())
		return "{}" + value, err
	case reflect.Interface:
		return "raw", nil // Cells of a Table, runtime.Object.
	default:
		return "", fmt.Errorf("type %s is not known here", ty)
	}
}

// isMessage says whether a list or map is a protobuf message of its own.
func isMessage(ty reflect.Type) bool {
	return reflect.PointerTo(ty).Implements(reflect.TypeFor[interface{ Unmarshal([]byte) error }]())
}

// derivedGoType is Go's name of a type and whether it follows from the rendered shape, as that of a
// struct, of a plain scalar and of lists and maps of them does.
func derivedGoType(ty reflect.Type) (string, bool) {
	if _, ok := special[ty]; ok {
		return ty.String(), true
	}
	switch ty.Kind() {
	case reflect.Struct:
		return ty.String(), true
	case reflect.Slice:
		_, ok := derivedGoType(ty.Elem())
		return ty.String(), ok && ty.Name() == ""
	case reflect.Map:
		_, ok := derivedGoType(ty.Elem())
		return ty.String(), ok && ty.Name() == "" && ty.Key().Name() == "string"
	case reflect.Interface:
		return ty.String(), true
	default:
		return ty.String(), ty.PkgPath() == ""
	}
}

// writeTypes writes a type a line: name, then fields, by tabs.
func writeTypes(dir string, rows []row) error {
	var out strings.Builder
	for _, one := range rows {
		out.WriteString(one.name)
		if one.atomic {
			out.WriteString(" atomic")
		}
		for _, field := range one.fields {
			out.WriteString("\t" + field)
		}
		out.WriteString("\n")
	}
	return os.WriteFile(filepath.Join(dir, "types.txt"), []byte(out.String()), 0o644)
}

// writeKinds writes a kind a line: version, kind, type.
func writeKinds(dir string, kinds []kind) error {
	var out strings.Builder
	for _, one := range kinds {
		out.WriteString(one.line() + "\n")
	}
	return os.WriteFile(filepath.Join(dir, "kinds.txt"), []byte(out.String()), 0o644)
}
