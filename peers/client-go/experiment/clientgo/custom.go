package clientgo

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"optilock/peers/client-go/experiment/scenario"
)

var (
	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	widgets     = schema.GroupVersionResource{Group: "peers.example.com", Version: "v1", Resource: "widgets"}
)

// object is JSON as the dynamic client wants it.
type object = map[string]any

// definition is what a Widget is.
func definition() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: object{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   object{"name": widgets.GroupResource().String()},
		"spec": object{
			"group": widgets.Group,
			"scope": "Namespaced",
			"names": object{"plural": widgets.Resource, "kind": "Widget"},
			"versions": []any{object{
				"name": widgets.Version, "served": true, "storage": true,
				"subresources": object{"status": object{}},
				"schema": object{"openAPIV3Schema": object{"type": "object", "properties": object{
					"spec": object{"type": "object", "properties": object{
						"size": object{"type": "integer", "minimum": int64(1), "default": int64(3)},
					}},
					"status": object{"type": "object", "properties": object{
						"ready": object{"type": "boolean"},
					}},
				}}},
			}},
		},
	}}
}

func widget(name string, spec object) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: object{
		"apiVersion": widgets.GroupVersion().String(),
		"kind":       "Widget",
		"metadata":   object{"name": name},
		"spec":       spec,
	}}
}

// custom works with custom resources by the dynamic client.
func custom(ctx context.Context, config *rest.Config) (any, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	var steps scenario.Steps
	installed, err := client.Resource(definitions).Create(ctx, definition(), metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	steps.Add(waitFor(ctx, client, installed, established), "established")

	api := client.Resource(widgets).Namespace(scenario.Namespace)
	made, err := api.Create(ctx, widget("w", object{}), metav1.CreateOptions{})
	steps.Add(err, "created %s", show(made))
	_, err = api.Create(ctx, widget("x", object{"size": int64(0)}), metav1.CreateOptions{})
	steps.AddRefusal(err)
	if made != nil {
		made.Object["status"] = object{"ready": true}
		made.Object["spec"] = object{"size": int64(9)}
		ready, err := api.UpdateStatus(ctx, made, metav1.UpdateOptions{})
		steps.Add(err, "status %s", show(ready))
		_, err = api.Update(ctx, made, metav1.UpdateOptions{})
		steps.AddRefusal(err)
	}
	patched, err := api.Patch(ctx, "w", types.MergePatchType, []byte(`{"spec":{"size":5}}`), metav1.PatchOptions{})
	steps.Add(err, "merge %s", show(patched))
	applied, err := api.Apply(ctx, "w", widget("w", object{"size": int64(6)}), metav1.ApplyOptions{FieldManager: "one", Force: true})
	steps.Add(err, "apply %s", show(applied))

	// The objects go with their definition.
	err = client.Resource(definitions).Delete(ctx, installed.GetName(), metav1.DeleteOptions{})
	steps.Add(err, "definition deleted")
	steps.Add(waitFor(ctx, client, installed, gone), "definition gone")
	// It answers without a Status now.
	_, err = api.Get(ctx, "w", metav1.GetOptions{})
	steps.Add(nil, "served no more: %t", apierrors.IsNotFound(err))
	return steps.Outcome()
}

func show(object *unstructured.Unstructured) string {
	if object == nil {
		return ""
	}
	size, _, _ := unstructured.NestedInt64(object.Object, "spec", "size")
	ready, _, _ := unstructured.NestedBool(object.Object, "status", "ready")
	return fmt.Sprintf("size=%d ready=%t generation=%d", size, ready, object.GetGeneration())
}

func gone(event watch.Event) bool {
	return event.Type == watch.Deleted
}

// established tells whether the definition of this event is served.
func established(event watch.Event) bool {
	made, ok := event.Object.(*unstructured.Unstructured)
	if !ok {
		return false
	}
	conditions, _, _ := unstructured.NestedSlice(made.Object, "status", "conditions")
	for _, condition := range conditions {
		condition, ok := condition.(object)
		if ok && condition["type"] == "Established" && condition["status"] == "True" {
			return true
		}
	}
	return false
}

// waitFor watches a definition, from the version of it that is given, until enough says so.
func waitFor(ctx context.Context, client dynamic.Interface, from *unstructured.Unstructured, enough func(watch.Event) bool) error {
	events, err := client.Resource(definitions).Watch(ctx, metav1.ListOptions{
		FieldSelector:   "metadata.name=" + from.GetName(),
		ResourceVersion: from.GetResourceVersion(),
	})
	if err != nil {
		return err
	}
	defer events.Stop()
	if enough(watch.Event{Type: watch.Added, Object: from}) {
		return nil
	}
	for {
		event, err := scenario.Next(ctx, events.ResultChan())
		if err != nil {
			return err
		}
		if event.Type == watch.Error {
			return apierrors.FromObject(event.Object)
		}
		if enough(event) {
			return nil
		}
	}
}
