package clientgo

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/rest"

	"optilock/peers/client-go/experiment/scenario"
)

// apply has two managers that want the same field.
func apply(ctx context.Context, config *rest.Config) (any, error) {
	api, err := configMaps(config)
	if err != nil {
		return nil, err
	}
	want := func(manager, value string, force bool) (*corev1.ConfigMap, error) {
		object := applycorev1.ConfigMap("applied", scenario.Namespace).
			WithData(map[string]string{"a": value, manager: "mine"})
		return api.Apply(ctx, object, metav1.ApplyOptions{FieldManager: manager, Force: force})
	}
	var steps scenario.Steps
	object, err := want("one", "1", false)
	steps.Add(err, "applied %s", scenario.Data(object.Data))
	_, err = want("two", "2", false)
	steps.AddRefusal(err)
	object, err = want("two", "2", true)
	steps.Add(err, "forced %s", scenario.Data(object.Data))
	again, err := want("two", "2", false)
	steps.Add(err, "unchanged %t", again.ResourceVersion == object.ResourceVersion)
	var managers []string
	for _, entry := range again.ManagedFields {
		managers = append(managers, entry.Manager+":"+string(entry.Operation))
	}
	steps.Add(nil, "managed by %s", strings.Join(managers, " "))
	// What a manager does not want any more goes, where nobody else does.
	less := applycorev1.ConfigMap("applied", scenario.Namespace).WithData(map[string]string{"two": "mine"})
	object, err = api.Apply(ctx, less, metav1.ApplyOptions{FieldManager: "two"})
	steps.Add(err, "given up %s", scenario.Data(object.Data))
	steps.Add(api.Delete(ctx, "applied", metav1.DeleteOptions{}), "deleted")
	return steps.Outcome()
}
