package main

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"optilock/peers/client-go/experiment"
	"optilock/peers/client-go/experiment/scenario"
)

const counter = "biz-version"

// updates has workers add one to the counter at the same time; nobody writes before all have read
// for the first time. One step is without retry, no steps are as many as it takes.
func updates(workers, steps int) scenario.Func {
	return func(ctx context.Context, config *rest.Config) (any, error) {
		client, err := open(config)
		if err != nil {
			return nil, err
		}
		deployment := newDeployment()
		if err := client.Create(ctx, deployment); err != nil {
			return nil, err
		}
		backoff := wait.Backoff{Steps: steps, Duration: 10 * time.Millisecond, Factor: 1, Jitter: 0.1}
		if steps == 0 {
			backoff.Steps = math.MaxInt
		}
		var everybodyHasRead sync.WaitGroup
		everybodyHasRead.Add(workers)
		results := make(chan error)
		for range workers {
			go func() {
				arrive := sync.OnceFunc(everybodyHasRead.Done)
				defer arrive()
				results <- retry.RetryOnConflict(backoff, func() error {
					return addOne(ctx, client, func() { arrive(); everybodyHasRead.Wait() })
				})
			}()
		}
		var outcome experiment.Outcome
		var conflicts int64
		var failures []error
		for range workers {
			switch err := <-results; {
			case err == nil:
				outcome.Succeeded++
			case apierrors.IsConflict(err):
				conflicts++
			default:
				failures = append(failures, err)
			}
		}
		if steps == 1 {
			outcome.Conflicts = &conflicts
		}
		if err := read(ctx, client, deployment); err != nil {
			return nil, err
		}
		if outcome.Final, err = strconv.Atoi(deployment.Labels[counter]); err != nil {
			return nil, err
		}
		return outcome, errors.Join(append(failures, client.Delete(ctx, deployment))...)
	}
}

func addOne(ctx context.Context, api client.Client, afterReading func()) error {
	deployment := newDeployment()
	if err := read(ctx, api, deployment); err != nil {
		return err
	}
	afterReading()
	value, err := strconv.Atoi(deployment.Labels[counter])
	if err != nil {
		return err
	}
	deployment.Labels[counter] = strconv.Itoa(value + 1)
	return api.Update(ctx, deployment)
}

func read(ctx context.Context, api client.Client, object client.Object) error {
	return api.Get(ctx, client.ObjectKeyFromObject(object), object)
}

func newDeployment() *appsv1.Deployment {
	pod := map[string]string{"app": "counted"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Name:      "counted",
			Namespace: scenario.Namespace,
			Labels:    map[string]string{counter: "100"},
		},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: pod},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: pod},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "nginx", Image: "nginx"}}},
			},
		},
	}
}
