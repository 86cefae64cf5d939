package experiment

import (
	"context"
	"fmt"
	"net"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// clients are the workers' clients: one for all of them, or, if each is to have its own, as many as there are
// workers, each connected, as if the workers were processes.
func (o *options) clients(ctx context.Context, config *rest.Config, meter *meter) ([]kubernetes.Interface, error) {
	if !o.clientEach {
		client, err := o.client(config, meter)
		return []kubernetes.Interface{client}, err
	}
	clients := make([]kubernetes.Interface, o.workers)
	for worker := range clients {
		own := rest.CopyConfig(config)
		// Clients with equal configurations share their connection; a dialer of its own makes one different.
		own.Dial = (&net.Dialer{}).DialContext
		client, err := o.client(own, meter)
		if err != nil {
			return nil, err
		}
		if err := client.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Error(); err != nil {
			return nil, fmt.Errorf("connecting worker %d: %w", worker, err)
		}
		clients[worker] = client
	}
	meter.requests.Store(0)
	return clients, nil
}

// client is one whose requests are counted, and throttled as the options say.
func (o *options) client(config *rest.Config, meter *meter) (*kubernetes.Clientset, error) {
	config = rest.CopyConfig(config)
	meter.attach(config, o.qps, o.burst)
	return kubernetes.NewForConfig(config)
}
