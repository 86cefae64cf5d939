package main

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// serve answers the admin's requests, with the keys in dir, and returns its URL.
func serve(t *testing.T, dir string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(dir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+string(token) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestAServerWithTheKeysIsReady(t *testing.T) {
	dir := t.TempDir()
	if err := run([]string{"keys", dir}); err != nil {
		t.Fatal(err)
	}
	url := serve(t, dir)
	ca, token := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "admin.token")
	if err := run([]string{"ready", url, ca, token, "1m"}); err != nil {
		t.Error(err)
	}
}

func TestAnAnswerThatIsNotReadyIsReported(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not yet", http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)
	err := ask(t.Context(), server.Client(), server.URL, "token")
	if err == nil || err.Error() != "500 Internal Server Error: not yet" {
		t.Errorf("got %v", err)
	}
}

func TestWrongUsageIsExplained(t *testing.T) {
	for _, args := range [][]string{nil, {"keys"}, {"ready", "u", "c", "t", "soon"}} {
		if err := run(args); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}
