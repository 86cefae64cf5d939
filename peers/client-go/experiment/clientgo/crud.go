package clientgo

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"optilock/peers/client-go/experiment/scenario"
)

// crud creates, reads, updates, patches, lists and deletes.
func crud(ctx context.Context, config *rest.Config) (any, error) {
	api, err := configMaps(config)
	if err != nil {
		return nil, err
	}
	var steps scenario.Steps
	made, err := api.Create(ctx, newConfigMap("crud", "crud", "1"), metav1.CreateOptions{})
	steps.Add(err, "created %s", scenario.Data(made.Data))
	_, err = api.Create(ctx, newConfigMap("crud", "crud", "1"), metav1.CreateOptions{})
	steps.AddRefusal(err)
	read, err := api.Get(ctx, "crud", metav1.GetOptions{})
	steps.Add(err, "read %s", scenario.Data(read.Data))
	changed := read.DeepCopy()
	changed.Data = map[string]string{"a": "2"}
	updated, err := api.Update(ctx, changed, metav1.UpdateOptions{})
	steps.Add(err, "updated %s", scenario.Data(updated.Data))
	_, err = api.Update(ctx, read, metav1.UpdateOptions{})
	steps.AddRefusal(err)
	for _, patch := range []struct {
		name string
		kind types.PatchType
		body string
	}{
		{"merge", types.MergePatchType, `{"data":{"b":"3"}}`},
		{"json", types.JSONPatchType, `[{"op":"remove","path":"/data/a"}]`},
		{"strategic", types.StrategicMergePatchType, `{"data":{"b":null,"c":"4"}}`},
	} {
		patched, err := api.Patch(ctx, "crud", patch.kind, []byte(patch.body), metav1.PatchOptions{})
		steps.Add(err, "%s %s", patch.name, scenario.Data(patched.Data))
	}
	list, err := api.List(ctx, ofScenario("crud"))
	for _, item := range list.Items {
		steps.Add(err, "listed %s", item.Name)
	}
	steps.Add(api.Delete(ctx, "crud", metav1.DeleteOptions{}), "deleted")
	_, err = api.Get(ctx, "crud", metav1.GetOptions{})
	steps.AddRefusal(err)
	return steps.Outcome()
}
