// Package clientgo has the scenarios of peers/README.md on client-go, typed and dynamic.
package clientgo

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"optilock/peers/client-go/experiment"
	"optilock/peers/client-go/experiment/scenario"
)

// scenarios are all that client-go plays.
var scenarios = map[string]scenario.Func{
	"once":       updates("once", "5", "1"),
	"retry":      updates("retry", "5", "10"),
	"crowd":      updates("retry", "50", "0"),
	"crud":       crud,
	"watch":      watchAgain,
	"apply":      apply,
	"informer":   informer,
	"expired":    expired,
	"watch-list": watchList,
	"leader":     leader,
	"custom":     custom,
}

// Main plays the scenarios of these names and returns the exit code.
func Main(names []string) int {
	return scenario.Main(names, scenarios)
}

// updates is one of the experiments in optimistic locking.
func updates(kind, workers, steps string) scenario.Func {
	return func(ctx context.Context, _ *rest.Config) (any, error) {
		return experiment.Run(ctx, "-experiment", kind, "-workers", workers, "-steps", steps, "-qps", "0")
	}
}

func configMaps(config *rest.Config) (corev1client.ConfigMapInterface, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return client.CoreV1().ConfigMaps(scenario.Namespace), nil
}

// newConfigMap is a ConfigMap that names its scenario in a label.
func newConfigMap(scenario, name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: selector(scenario).MatchLabels},
		Data:       map[string]string{"a": value},
	}
}

func selector(scenario string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"scenario": scenario}}
}

// ofScenario selects the objects of one scenario.
func ofScenario(scenario string) metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(selector(scenario))}
}
