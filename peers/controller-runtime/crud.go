package main

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"optilock/peers/client-go/experiment/scenario"
)

// crud creates, reads, updates, patches, lists and deletes.
func crud(ctx context.Context, config *rest.Config) (any, error) {
	api, err := open(config)
	if err != nil {
		return nil, err
	}
	var steps scenario.Steps
	made := newConfigMap("crud", "crud", "1")
	steps.Add(api.Create(ctx, made), "created %s", scenario.Data(made.Data))
	steps.AddRefusal(api.Create(ctx, newConfigMap("crud", "crud", "1")))
	object := newConfigMap("crud", "crud", "")
	steps.Add(read(ctx, api, object), "read %s", scenario.Data(object.Data))
	stale := object.DeepCopy()
	object.Data = map[string]string{"a": "2"}
	steps.Add(api.Update(ctx, object), "updated %s", scenario.Data(object.Data))
	steps.AddRefusal(api.Update(ctx, stale))
	for _, patch := range []struct {
		name string
		kind types.PatchType
		body string
	}{
		{"merge", types.MergePatchType, `{"data":{"b":"3"}}`},
		{"json", types.JSONPatchType, `[{"op":"remove","path":"/data/a"}]`},
		{"strategic", types.StrategicMergePatchType, `{"data":{"b":null,"c":"4"}}`},
	} {
		err := api.Patch(ctx, object, client.RawPatch(patch.kind, []byte(patch.body)))
		steps.Add(err, "%s %s", patch.name, scenario.Data(object.Data))
	}
	list := &corev1.ConfigMapList{}
	err = api.List(ctx, list, client.MatchingLabels{label: "crud"})
	for _, item := range list.Items {
		steps.Add(err, "listed %s", item.Name)
	}
	steps.Add(api.Delete(ctx, object), "deleted")
	steps.AddRefusal(read(ctx, api, object))
	return steps.Outcome()
}

// apply has two managers that want the same field.
func apply(ctx context.Context, config *rest.Config) (any, error) {
	api, err := open(config)
	if err != nil {
		return nil, err
	}
	object := newConfigMap("apply", "applied", "")
	want := func(manager string, data map[string]string, options ...client.ApplyOption) error {
		wanted := applycorev1.ConfigMap("applied", scenario.Namespace).WithData(data)
		if err := api.Apply(ctx, wanted, append(options, client.FieldOwner(manager))...); err != nil {
			return err
		}
		object = newConfigMap("apply", "applied", "")
		return read(ctx, api, object)
	}
	one := map[string]string{"a": "1", "one": "mine"}
	two := map[string]string{"a": "2", "two": "mine"}
	var steps scenario.Steps
	err = want("one", one)
	steps.Add(err, "applied %s", scenario.Data(object.Data))
	steps.AddRefusal(want("two", two))
	err = want("two", two, client.ForceOwnership)
	steps.Add(err, "forced %s", scenario.Data(object.Data))
	before := object.ResourceVersion
	err = want("two", two)
	steps.Add(err, "unchanged %t", object.ResourceVersion == before)
	var managers []string
	for _, entry := range object.ManagedFields {
		managers = append(managers, entry.Manager+":"+string(entry.Operation))
	}
	steps.Add(nil, "managed by %s", strings.Join(managers, " "))
	err = want("two", map[string]string{"two": "mine"})
	steps.Add(err, "given up %s", scenario.Data(object.Data))
	steps.Add(api.Delete(ctx, object), "deleted")
	return steps.Outcome()
}
