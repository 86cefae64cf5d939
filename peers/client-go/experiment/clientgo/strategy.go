package clientgo

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"

	"optilock/peers/client-go/experiment/strategy"
)

// Strategy makes updates with `retry.RetryOnConflict`, as a peer of `optilock compare`.
func Strategy(args []string) int {
	return strategy.Main(args, "retry-on-conflict", map[string]strategy.Strategy{
		"retry-on-conflict": retryOnConflict,
	})
}

func retryOnConflict(config *rest.Config, task strategy.Task) (strategy.Func, error) {
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	api := clientset.AppsV1().Deployments(task.Namespace)
	return func(ctx context.Context, update *strategy.Update) error {
		return retry.RetryOnConflict(task.Backoff, func() error {
			object, err := update.Read(func() (*appsv1.Deployment, error) {
				return api.Get(ctx, task.Name, metav1.GetOptions{})
			})
			if err != nil {
				return err
			}
			if err := strategy.AddOne(object); err != nil {
				return err
			}
			_, err = update.Write(object, func() (*appsv1.Deployment, error) {
				return api.Update(ctx, object, metav1.UpdateOptions{})
			})
			return err
		})
	}, nil
}
