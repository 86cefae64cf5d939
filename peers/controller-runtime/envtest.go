package main

import (
	"context"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"optilock/peers/client-go/experiment/scenario"
)

var gadget = schema.GroupVersionKind{Group: "peers.example.com", Version: "v1", Kind: "Gadget"}

// withEnvtest has envtest use the server instead of programs of its own, install a definition,
// wait until it is served, and take it away again.
func withEnvtest(ctx context.Context, config *rest.Config) (any, error) {
	existing := true
	environment := &envtest.Environment{
		UseExistingCluster: &existing,
		Config:             config,
		CRDs:               []*apiextensionsv1.CustomResourceDefinition{definition()},
		CRDInstallOptions:  envtest.CRDInstallOptions{CleanUpAfterUse: true},
	}
	var steps scenario.Steps
	started, err := environment.Start()
	steps.Add(err, "started")
	if err != nil {
		return nil, err
	}
	api, err := open(started)
	if err != nil {
		return nil, err
	}
	object := newGadget()
	err = api.Create(ctx, object)
	size, _, _ := unstructured.NestedInt64(object.Object, "spec", "size")
	steps.Add(err, "created size=%d generation=%d", size, object.GetGeneration())
	invalid := newGadget()
	invalid.SetName("invalid")
	invalid.Object["spec"] = map[string]any{"size": int64(0)}
	steps.AddRefusal(api.Create(ctx, invalid))
	patch := client.MergeFromWithOptions(object.DeepCopy(), client.MergeFromWithOptimisticLock{})
	object.SetAnnotations(map[string]string{"note": "x"})
	steps.Add(api.Patch(ctx, object, patch), "patched with a lock")
	steps.AddRefusal(api.Patch(ctx, object, patch))
	steps.Add(api.Status().Patch(ctx, object, client.RawPatch("application/merge-patch+json",
		[]byte(`{"status":{"ready":true}}`))), "status patched")
	ready, _, _ := unstructured.NestedBool(object.Object, "status", "ready")
	steps.Add(nil, "ready=%t generation=%d", ready, object.GetGeneration())
	steps.Add(api.Delete(ctx, object), "deleted")
	steps.Add(environment.Stop(), "stopped")
	return steps.Outcome()
}

func newGadget() *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
	object.SetGroupVersionKind(gadget)
	object.SetNamespace(scenario.Namespace)
	object.SetName("g")
	return object
}

func definition() *apiextensionsv1.CustomResourceDefinition {
	type props = apiextensionsv1.JSONSchemaProps
	least := 1.0
	schema := &props{Type: "object", Properties: map[string]props{
		"spec": {Type: "object", Properties: map[string]props{
			"size": {Type: "integer", Minimum: &least, Default: &apiextensionsv1.JSON{Raw: []byte("3")}},
		}},
		"status": {Type: "object", Properties: map[string]props{"ready": {Type: "boolean"}}},
	}}
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "gadgets." + gadget.Group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: gadget.Group,
			Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "gadgets", Kind: gadget.Kind},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: gadget.Version, Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{
					Status: &apiextensionsv1.CustomResourceSubresourceStatus{},
				},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: schema},
			}},
		},
	}
}
