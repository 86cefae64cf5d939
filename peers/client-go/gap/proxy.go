package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// refusal is how a server answers a watch whose beginning it has forgotten, where it does not begin one.
const refusal = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",` +
	`"message":"too old resource version: 1 (2)","reason":"Expired","code":410}`

// proxy passes everything on, until it is cut.
type proxy struct {
	*httptest.Server
	authority []byte
	onward    *httputil.ReverseProxy

	mutex sync.Mutex
	// link ends what is on its way when the proxy is cut; nil while it is.
	link    context.Context
	sever   context.CancelFunc
	refuses bool
	marks   []*mark

	// watching is a watch that has begun since the last cut, and since the last mark.
	watching *mark
	// listed is a list since the last cut.
	listed *mark
	// refused is a watch that was answered with 410 by the proxy.
	refused *mark
}

// mark is something that happens once. One that is seen in a watch has the bytes to look for.
type mark struct {
	text []byte
	once sync.Once
	done chan struct{}
}

func newMark(text string) *mark {
	return &mark{text: []byte(text), done: make(chan struct{})}
}

func (m *mark) set() { m.once.Do(func() { close(m.done) }) }

func (m *mark) isSet() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// wait is until it happens, or another one does.
func (m *mark) wait(ctx context.Context, what string, or ...*mark) error {
	var other <-chan struct{}
	if len(or) > 0 {
		other = or[0].done
	}
	select {
	case <-m.done:
		return nil
	case <-other:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
	}
}

// waitFor is wait with a limit.
func (m *mark) waitFor(ctx context.Context, limit time.Duration, what string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return m.wait(ctx, what)
}

func openProxy(config *rest.Config) (*proxy, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	certificate, authority, err := newCertificate()
	if err != nil {
		return nil, err
	}
	p := &proxy{authority: authority, watching: newMark(""), listed: newMark(""), refused: newMark("")}
	p.onward = &httputil.ReverseProxy{
		Rewrite:        func(request *httputil.ProxyRequest) { request.SetURL(target) },
		Transport:      transport,
		FlushInterval:  -1,
		ModifyResponse: p.look,
		// Whoever is cut off gets no answer at all.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.restore(false)
	// The client speaks HTTP/1.1 with it: then a cut is the end of a connection.
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	p.StartTLS()
	return p, nil
}

// writeKubeconfig writes how the proxy is reached, by the user of config.
func (p *proxy) writeKubeconfig(path string, config *rest.Config) error {
	made := clientcmdapi.NewConfig()
	made.Clusters["gap"] = &clientcmdapi.Cluster{Server: p.URL, CertificateAuthorityData: p.authority}
	made.AuthInfos["gap"] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
	made.Contexts["gap"] = &clientcmdapi.Context{Cluster: "gap", AuthInfo: "gap"}
	made.CurrentContext = "gap"
	return clientcmd.WriteToFile(*made, path)
}

// cut ends everything, and lets nothing through.
func (p *proxy) cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.sever()
	p.link = nil
	p.watching, p.listed = newMark(""), newMark("")
}

// restore lets everything through again, or answers the first watch with 410 before.
func (p *proxy) restore(refusing bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.link, p.sever = context.WithCancel(context.Background())
	p.refuses = refusing
}

// watches is when a watch has begun since the last cut and the last mark.
func (p *proxy) watches() *mark {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.watching
}

// lists is when everything has been read since the last cut.
func (p *proxy) lists() *mark {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.listed
}

// tells is when bytes come by in a watch.
func (p *proxy) tells(text string) *mark {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	mark := newMark(text)
	p.marks = append(p.marks, mark)
	return mark
}

func isWatch(request *http.Request) bool {
	watch := request.URL.Query().Get("watch")
	return watch == "true" || watch == "1"
}

func (p *proxy) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	p.mutex.Lock()
	link := p.link
	refuses := p.refuses && isWatch(request) && request.URL.Query().Get("resourceVersion") != ""
	if link != nil && refuses {
		p.refuses = false
	}
	p.mutex.Unlock()
	if link == nil {
		panic(http.ErrAbortHandler)
	}
	if refuses {
		writer.Header().Set("Content-Type", "application/json")
		writer.WriteHeader(http.StatusGone)
		// A client that has gone away comes back.
		_, _ = io.WriteString(writer, refusal)
		p.refused.set()
		return
	}
	ctx, cancel := context.WithCancel(request.Context())
	defer cancel()
	defer context.AfterFunc(link, cancel)()
	p.onward.ServeHTTP(writer, request.WithContext(ctx))
}

// look has the bytes of a watch looked at.
func (p *proxy) look(response *http.Response) error {
	if response.StatusCode > 299 {
		return nil
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !isWatch(response.Request) {
		if strings.HasSuffix(response.Request.URL.Path, "/configmaps") {
			p.listed.set()
		}
		return nil
	}
	if p.link != nil {
		p.watching.set()
	}
	body := &watched{ReadCloser: response.Body, proxy: p, ctx: response.Request.Context()}
	response.Body = body
	// A WebSocket is written to as well.
	if both, ok := body.ReadCloser.(io.ReadWriteCloser); ok {
		body.upgraded = true
		response.Body = struct {
			io.Reader
			io.WriteCloser
		}{body, both}
	}
	return nil
}

// watched is the body of a watch.
type watched struct {
	io.ReadCloser
	proxy *proxy
	ctx   context.Context
	// upgraded is one that is closed by an error: what has ended is waited for in the other direction.
	upgraded bool
	// tail is the end of what came before: an event may come in parts.
	tail []byte
}

func (w *watched) Read(into []byte) (int, error) {
	count, err := w.ReadCloser.Read(into)
	w.proxy.mutex.Lock()
	defer w.proxy.mutex.Unlock()
	seen := append(w.tail, into[:count]...)
	for _, mark := range w.proxy.marks {
		if !mark.isSet() && bytes.Contains(seen, mark.text) {
			mark.set()
			w.proxy.watching = newMark("")
		}
	}
	w.tail = bytes.Clone(seen[max(0, len(seen)-32):])
	if err != nil && w.ctx.Err() != nil && !w.upgraded {
		// What has been told is told to the end, so that the client has it.
		err = io.EOF
	}
	return count, err
}
