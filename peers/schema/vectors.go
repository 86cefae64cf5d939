package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	apiresource "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	kjson "sigs.k8s.io/json"
)

// seed of all random vectors. Another one gives other vectors, which hold as well.
const seed = 20360

// object is a line of objects.jsonl: a kind, the envelope of a filled object in protobuf, and the
// JSON that Go writes after it has read that. Written is the envelope that Go writes after it has read
// the JSON, where that is another one: JSON does not tell nothing from empty, and has no odd bytes.
type object struct {
	Version  string `json:"apiVersion"`
	Kind     string `json:"kind"`
	Protobuf string `json:"protobuf,omitempty"`
	Written  string `json:"written,omitempty"`
	JSON     string `json:"json"`
}

// document is a line of documents.jsonl: a document that is not as it should be, and what the
// decoder of the API server makes of it: an error, or JSON and complaints.
type document struct {
	Type       string   `json:"type"`
	Document   string   `json:"document"`
	Error      string   `json:"error,omitempty"`
	JSON       string   `json:"json,omitempty"`
	Complaints []string `json:"complaints,omitempty"`
}

func writeVectors(dir string, kinds []kind) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	random := rand.New(rand.NewSource(seed))
	objects, err := makeObjects(random, kinds)
	if err != nil {
		return err
	}
	if err := writeLines(dir, "objects.jsonl", objects); err != nil {
		return err
	}
	documents, err := makeDocuments(random, kinds, objects)
	if err != nil {
		return err
	}
	if err := writeLines(dir, "documents.jsonl", documents); err != nil {
		return err
	}
	return writeQuantities(dir)
}

// makeObjects fills an object of each kind. Lists have the same items as the kinds that they list,
// so they are left out.
func makeObjects(random *rand.Rand, kinds []kind) ([]object, error) {
	serializer := protobuf.NewSerializer(nil, nil)
	var all []object
	for _, k := range kinds {
		if strings.HasSuffix(k.Kind, "List") || k.Group == "*" {
			continue
		}
		value := reflect.New(k.Type)
		filler{random}.fill(value.Elem(), 0)
		filled := value.Interface().(runtime.Object)
		version, name := k.GroupVersion().String(), k.Kind
		filled.GetObjectKind().SetGroupVersionKind(k.GroupVersionKind)

		one := object{Version: version, Kind: name}
		if _, ok := filled.(interface{ Marshal() ([]byte, error) }); ok {
			var envelope bytes.Buffer
			if err := serializer.Encode(filled, &envelope); err != nil {
				return nil, fmt.Errorf("%s %s: %w", version, name, err)
			}
			// What arrives on the other side is the reference for JSON.
			var unknown runtime.Unknown
			if err := unknown.Unmarshal(envelope.Bytes()[4:]); err != nil {
				return nil, err
			}
			value = reflect.New(k.Type)
			if err := value.Interface().(interface{ Unmarshal([]byte) error }).Unmarshal(unknown.Raw); err != nil {
				return nil, fmt.Errorf("%s %s: %w", version, name, err)
			}
			value.Interface().(runtime.Object).GetObjectKind().SetGroupVersionKind(k.GroupVersionKind)
			one.Protobuf = base64.StdEncoding.EncodeToString(envelope.Bytes())
		}
		text, err := json.Marshal(value.Interface())
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", version, name, err)
		}
		// A byte that is no UTF-8 is escaped where U+FFFD itself is not; the two are the same JSON.
		one.JSON = strings.ReplaceAll(string(text), `\ufffd`, "\ufffd")
		if one.Protobuf != "" {
			again := reflect.New(k.Type).Interface().(runtime.Object)
			if err := json.Unmarshal(text, again); err != nil {
				return nil, fmt.Errorf("%s %s: %w", version, name, err)
			}
			var envelope bytes.Buffer
			if err := serializer.Encode(again, &envelope); err != nil {
				return nil, fmt.Errorf("%s %s: %w", version, name, err)
			}
			if written := base64.StdEncoding.EncodeToString(envelope.Bytes()); written != one.Protobuf {
				one.Written = written
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// handmade are documents that were thought of. In values of any type (RawExtension, JSON) the keys
// are sorted, because the embedded server does not keep their order.
var handmade = []struct{ kind, document string }{
	{"apps/v1 Deployment", `{}`},
	{"apps/v1 Deployment", `null`},
	{"apps/v1 Deployment", `[]`},
	{"apps/v1 Deployment", `"x"`},
	{"apps/v1 Deployment", `{"spec":{"foo":1,"replicas":1,"replicas":2}}`},
	{"apps/v1 Deployment", `{"spec":{"replicas":"3"}}`},
	{"apps/v1 Deployment", `{"spec":{"replicas":1.5}}`},
	{"apps/v1 Deployment", `{"spec":{"replicas":2147483648}}`},
	{"apps/v1 Deployment", `{"spec":{"replicas":null,"paused":null,"selector":null,"minReadySeconds":0,"template":null}}`},
	{"apps/v1 Deployment", `{"spec":{"replicas":0,"paused":false,"strategy":{"rollingUpdate":{"maxSurge":"25%","maxUnavailable":0}}}}`},
	{"apps/v1 Deployment", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":1.5}}}}`},
	{"apps/v1 Deployment", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":true}}}}`},
	{"apps/v1 Deployment", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":null}},"strategy":{"type":"Recreate"}}}`},
	{"apps/v1 Deployment", `{"Spec":{},"SPEC":1,"metadata":{"Name":"x"}}`},
	{"apps/v1 Deployment", `{"metadata":{"labels":{"a":1}}}`},
	{"apps/v1 Deployment", `{"metadata":{"labels":{"a":null,"b":"x","b":"y","a":"z"}}}`},
	{"apps/v1 Deployment", `{"metadata":{"labels":["a"]}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"x","deletionTimestamp":5}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":5}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":null,"deletionTimestamp":"2024-02-30T00:00:00Z"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-01-02T03:04:05.678+02:00"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"0001-01-01T00:00:00Z"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-01-02T3:04:05Z"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-13-02T03:04:05Z"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-01-02T24:04:05Z"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-01-02T03:60:05Z"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-01-02T03:04:61Z"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-01-02T03:04:05"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-01-02T03:04:05Zx"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-01-02T03:04:05+25:00"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-01-02T03:04:05*01:00"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":"2024-01-02 03:04:05Z"}}`},
	{"apps/v1 Deployment", `{"metadata":{"creationTimestamp":""}}`},
	{"apps/v1 Deployment", `{"metadata":{"name":5,"generation":"x"},"spec":{"replicas":true}}`},
	{"apps/v1 Deployment", `{"metadata":{"generation":9223372036854775808}}`},
	{"apps/v1 Deployment", `{"metadata":{"managedFields":[{"fieldsV1":{"f:x":{}},"time":null},{"fieldsV1":null}]}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"x":1},{"containerPort":"80"}]}]}}}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"0.5","memory":"1024Mi"},"requests":{"cpu":0.1}}},null]}}}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"abc"}}}]}}}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"1X"}}}]}}}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":{}}}}]}}}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":[{"imagePullPolicy":1}]}}}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":{"name":"a"}}}}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":"a"}}}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":[],"volumes":[],"nodeSelector":{},"initContainers":null}}}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"volumes":[{"name":"v","emptyDir":{},"hostPath":{"path":"/x"},"bogus":{}}]}}}}`},
	{"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":["a",1,[]]}}}}`},
	{"apps/v1 Deployment", `{"spec":{"x":{"a":1,"a":2}},"spec":{"x":1,"y":[{}]},"spec\n":1,"é":2}`},
	{"v1 ConfigMap", `{"data":{"a":"<b>&\u2028","b":null},"binaryData":{"x":"AQI=","y":null,"z":""},"immutable":false}`},
	{"v1 ConfigMap", `{"binaryData":{"x":"A"}}`},
	{"v1 ConfigMap", `{"binaryData":{"x":"AQI=\nAA"}}`},
	{"v1 ConfigMap", `{"binaryData":{"x":"AQ=I"}}`},
	{"v1 ConfigMap", `{"binaryData":{"x":[1,2,255]}}`},
	{"v1 ConfigMap", `{"binaryData":{"x":[1,256]}}`},
	{"v1 ConfigMap", `{"binaryData":{"x":5}}`},
	{"v1 ConfigMap", `{"data":"x"}`},
	{"v1 ConfigMap", `{"data":{"a":{"b":1}}}`},
	{"v1 Secret", `{"stringData":{"a":"b"},"data":{"a":"Yg=="},"type":null}`},
	{"v1 Service", `{"spec":{"ports":[{"port":80,"protocol":"TCP","targetPort":"http"},{"port":81,"targetPort":8080}],"clusterIP":""}}`},
	{"v1 Pod", `{"spec":{"containers":null,"ephemeralContainers":[{"name":"e","targetContainerName":"c"}]},"status":{"startTime":"2024-01-01T00:00:00Z"}}`},
	{"v1 Event", `{"eventTime":"2024-01-02T03:04:05.123456Z","firstTimestamp":null,"series":{"count":1,"lastObservedTime":null}}`},
	{"v1 Event", `{"eventTime":"2024-01-02T03:04:05Z"}`},
	{"v1 Event", `{"eventTime":"2024-01-02T03:04:05.12345Z"}`},
	{"coordination.k8s.io/v1 Lease", `{"spec":{"renewTime":"2024-01-02T03:04:05.000001Z","leaseDurationSeconds":0}}`},
	{"authentication.k8s.io/v1 TokenReview", `{"status":{"user":{"extra":{"a":["x",1],"b":null,"c":[]}}}}`},
	{"authentication.k8s.io/v1 TokenReview", `{"status":{"user":{"extra":{"a":["x"],"b":null,"c":[]}}}}`},
	{"authentication.k8s.io/v1 TokenReview", `{"status":{"user":{"extra":{"a":"x"}}}}`},
	{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":{"type":"object","additionalProperties":true,"items":{"type":"string","bogus":1},"default":{"a":[1.5],"b":1},"maximum":1e3,"dependencies":{"a":["b"],"c":{"type":"x"},"d":null}}}}]}}`},
	{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"additionalProperties":5}}}]}}`},
	{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"properties":{"a":{"items":{"maxLength":"5"}}}}}}]}}`},
	{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"properties":{"a":{"items":[{"type":"a"},{"maxLength":"5"}]}}}}}]}}`},
	{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"dependencies":{"a":[1]},"additionalItems":null,"default":null,"enum":[null,1]}}}]}}`},
	{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"dependencies":{"a":[],"b":"x"},"additionalItems":false,"enum":[null,1,{"x":[]}],"maximum":0,"minimum":-0.0,"multipleOf":1e-9}}}]}}`},
	{"apps/v1 ControllerRevision", `{"data":{"a":{"spec":null},"b":1},"revision":0}`},
	{"v1 Pod", `{"a":`},
	{"v1 Pod", `{"a":1,}`},
	{"v1 Pod", ``},
	{"v1 Pod", `{"metadata":{"name":"\ud83d\ude00\ud83d"}}`},
}

// makeDocuments decodes the handmade documents and spoiled versions of the objects.
func makeDocuments(random *rand.Rand, kinds []kind, objects []object) ([]document, error) {
	types := map[string]reflect.Type{}
	for _, k := range kinds {
		types[k.GroupVersion().String()+" "+k.Kind] = k.Type
	}
	var all []document
	for _, one := range handmade {
		ty, ok := types[one.kind]
		if !ok {
			return nil, fmt.Errorf("%s is not served", one.kind)
		}
		made, err := decode(one.kind, ty, one.document)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	for _, o := range objects {
		if len(o.JSON) > 4000 {
			continue
		}
		name := o.Version + " " + o.Kind
		for range 2 {
			made, err := decode(name, types[name], spoil(random, o.JSON))
			if err != nil {
				return nil, err
			}
			all = append(all, made)
		}
	}
	return all, nil
}

// spoil replaces a value of a document by one of another type, or adds a member.
func spoil(random *rand.Rand, text string) string {
	var places []int
	for i := range text {
		if text[i] == ':' && text[i-1] == '"' && strings.ContainsRune(`"{[tf0123456789`, rune(text[i+1])) {
			places = append(places, i+1)
		}
	}
	if len(places) == 0 {
		return text
	}
	at := places[random.Intn(len(places))]
	decoder := json.NewDecoder(strings.NewReader(text[at:]))
	var value json.RawMessage
	if err := decoder.Decode(&value); err != nil {
		return text // A colon within a string.
	}
	replacements := []string{"null", `"x"`, "5", "1.5", "true", "{}", "[]", `{"x":1}`, `[null]`, `[1]`, "18446744073709551615", `""`}
	replacement := replacements[random.Intn(len(replacements))]
	if value[0] == '{' && len(value) > 2 && random.Intn(2) == 0 {
		replacement = `{"+bogus":1,` + string(value[1:]) // The first in order, too.
	}
	return text[:at] + replacement + text[at+len(value):]
}

// decode does what the API server does with a JSON body of that type.
func decode(name string, ty reflect.Type, text string) (document, error) {
	one := document{Type: name, Document: text}
	value := reflect.New(ty)
	complaints, err := kjson.UnmarshalStrict([]byte(text), value.Interface())
	if err != nil {
		one.Error = err.Error()
		return one, nil
	}
	for _, complaint := range complaints {
		one.Complaints = append(one.Complaints, complaint.Error())
	}
	encoded, err := json.Marshal(value.Interface())
	one.JSON = string(encoded)
	return one, err
}

// writeQuantities writes quantities with their canonical spelling, or the error.
func writeQuantities(dir string) error {
	numbers := []string{"", "0", "00", "1", "+1", "-1", "0.5", ".5", "5.", ".", "+", "-", "1.5", "1000", "1024", "1536", "12000", "0.001", "0.0000001",
		"0.00000000001", "123456789", "999999999999999999", "9999999999999999999", "9223372036854775807", "9223372036854775808", "1.23456789012345678901234", "-0.5", "-1536",
		"1025", "0.1", "100", "007", "1..2", "1e", "abc", "1 "}
	suffixes := []string{"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E3", "e-3", "e+2", "e1", "e-10", "e30", "e400", "K", "i", "mi", "e", "ee3", "e99999999999999999999", "x"}
	var out strings.Builder
	for _, number := range numbers {
		for _, suffix := range suffixes {
			text, found := number+suffix, ""
			if quantity, err := apiresource.ParseQuantity(text); err != nil {
				found = "error: " + err.Error()
			} else {
				encoded, err := json.Marshal(quantity)
				if err != nil {
					return err
				}
				found = strings.Trim(string(encoded), `"`)
			}
			fmt.Fprintf(&out, "%s\t%s\n", text, found)
		}
	}
	return os.WriteFile(filepath.Join(dir, "quantities.txt"), []byte(out.String()), 0o644)
}

func writeLines[T any](dir, name string, lines []T) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, line := range lines {
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644)
}
