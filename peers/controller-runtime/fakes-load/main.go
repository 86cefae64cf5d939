// Command fakes-load asks client-go's fake clientset or controller-runtime's fake client what the load client of
// crates/optilock-bench asks servers, and prints the same lines of JSON.
//
//	fakes-load client-go|controller-runtime first
//	fakes-load client-go|controller-runtime SECONDS CONNECTIONS...
//
// The first says how long it took from the start of the program to the first answer, the second how often in a second
// each thing can be done with so many goroutines that do it one after the other.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const namespace = "default"

// api is what is asked: Deployments.
type api interface {
	get(ctx context.Context, name string) (*appsv1.Deployment, error)
	create(ctx context.Context, object *appsv1.Deployment) (*appsv1.Deployment, error)
	update(ctx context.Context, object *appsv1.Deployment) (*appsv1.Deployment, error)
	patch(ctx context.Context, name string, body []byte) error
	apply(ctx context.Context, name string, body []byte) error
	delete(ctx context.Context, name string) error
}

func main() {
	began := time.Now()
	if len(os.Args) < 3 {
		log.Fatal("usage: fakes-load client-go|controller-runtime first|SECONDS [CONNECTIONS...]")
	}
	open := map[string]func() api{"client-go": newClientset, "controller-runtime": newRuntime}[os.Args[1]]
	if open == nil {
		log.Fatalf("no fake is called %q", os.Args[1])
	}
	if os.Args[2] == "first" {
		asked := open()
		_, err := asked.create(context.Background(), deployment("first", 0))
		check(err)
		fmt.Printf("{\"first_us\":%d}\n", time.Since(began).Microseconds())
		return
	}
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	check(err)
	for _, text := range os.Args[3:] {
		connections, err := strconv.Atoi(text)
		check(err)
		load(open(), connections, time.Duration(seconds*float64(time.Second)))
	}
}

// worker asks one thing after the other.
type worker struct {
	api    api
	name   string
	number int
	object *appsv1.Deployment
	made   []string
}

func load(asked api, connections int, limit time.Duration) {
	ctx := context.Background()
	workers := make([]*worker, connections)
	for number := range workers {
		name := fmt.Sprintf("load-%d", number)
		object, err := asked.create(ctx, deployment(name, 0))
		check(err)
		workers[number] = &worker{api: asked, name: name, number: 1_000_000 * (number + 1), object: object}
	}
	for _, verb := range []string{"get", "update", "patch", "apply", "create", "delete"} {
		var all sync.WaitGroup
		times := make([][]time.Duration, connections)
		started := time.Now()
		for number, worker := range workers {
			all.Go(func() {
				for before := time.Now(); before.Sub(started) < limit && worker.step(ctx, verb); {
					now := time.Now()
					times[number] = append(times[number], now.Sub(before))
					before = now
				}
			})
		}
		all.Wait()
		took := time.Since(started)
		sorted := slices.Concat(times...)
		slices.Sort(sorted)
		at := func(percent int) int64 { return sorted[(len(sorted)-1)*percent/100].Microseconds() }
		figures := map[string]any{
			"verb": verb, "connections": connections, "per_second": float64(len(sorted)) / took.Seconds(),
			"p50_us": at(50), "p99_us": at(99),
		}
		check(json.NewEncoder(os.Stdout).Encode(figures))
	}
}

// step does it once. It returns false where there is nothing more to do.
func (w *worker) step(ctx context.Context, verb string) bool {
	w.number++
	var err error
	switch verb {
	case "get":
		_, err = w.api.get(ctx, w.name)
	case "update":
		w.object, err = w.api.get(ctx, w.name)
		check(err)
		w.object.Annotations["count"] = strconv.Itoa(w.number)
		_, err = w.api.update(ctx, w.object)
	case "patch":
		err = w.api.patch(ctx, w.name, fmt.Appendf(nil, `{"metadata":{"annotations":{"count":"%d"}}}`, w.number))
	case "apply":
		err = w.api.apply(ctx, w.name, manifest(w.name, w.number))
	case "create":
		name := fmt.Sprintf("%s-%d", w.name, w.number)
		w.made = append(w.made, name)
		_, err = w.api.create(ctx, deployment(name, w.number))
	case "delete":
		if len(w.made) == 0 {
			return false
		}
		err = w.api.delete(ctx, w.made[0])
		w.made = w.made[1:]
	}
	check(err)
	return true
}

// deployment is the one of the load client.
func deployment(name string, number int) *appsv1.Deployment {
	object := &appsv1.Deployment{}
	check(json.Unmarshal(manifest(name, number), object))
	object.Namespace = namespace
	return object
}

func manifest(name string, number int) []byte {
	labels := map[string]string{"app": name}
	object := appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Labels:      map[string]string{"app": name, "app.kubernetes.io/part-of": "bench"},
			Annotations: map[string]string{"count": strconv.Itoa(number)},
		},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(3)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name:  "web",
					Image: "registry.example.com/team/web:1.27.3",
					Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
					Env:   []corev1.EnvVar{{Name: "LOG_LEVEL", Value: "info"}},
				}}},
			},
		},
	}
	body, err := json.Marshal(object)
	check(err)
	return body
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
