// An API of orders whose keys Bitting judges: go run .
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

const problemType = "application/problem+json"

var (
	bitting = env("BITTING_URL", "http://127.0.0.1:8080")
	// One for all requests: it keeps its connections. Keys must not pass through a proxy.
	client = &http.Client{
		Timeout:       2 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	// Where a key may stand. All are handed on, so that Bitting sees it when there are two.
	credentials = []string{"Authorization", "Authentication", "Apikey", "X-Api-Key"}
	// What a live key is told that may not do this. What is not listed, no key may do.
	refusals = map[string]refusal{
		"insufficient_scope":  {403, "This request needs the scope "},
		"address_not_allowed": {403, "This key may not be used from this address."},
		"method_not_allowed":  {405, "This path does not take this method."},
		"rate_limited":        {429, "This key's rate limit is used up."},
		"quota_exceeded":      {429, "This key's quota is used up."},
	}
)

type refusal struct {
	status int
	detail string
}

type verdict struct {
	Allowed    bool        `json:"allowed"`
	Code       string      `json:"code"`
	Required   string      `json:"required"`
	RetryAfter json.Number `json:"retry_after"`
	Key        struct {
		Name string `json:"name"`
	} `json:"key"`
}

type keyOf struct{}

// verify asks Bitting about a request. The answer's body has been read.
func verify(r *http.Request) (*http.Response, []byte, error) {
	question, err := json.Marshal(map[string]string{"method": r.Method, "path": r.URL.RequestURI()})
	if err != nil {
		return nil, nil, err
	}
	ask, err := http.NewRequestWithContext(r.Context(), "POST", bitting+"/v1/verify", bytes.NewReader(question))
	if err != nil {
		return nil, nil, err
	}
	for _, name := range append(credentials, "User-Agent") {
		ask.Header[name] = r.Header[name]
	}
	ask.Header.Set("Content-Type", "application/json")
	// With --trusted-proxies 127.0.0.1/32, Bitting notes this address and not the program's.
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		ask.Header.Set("X-Forwarded-For", host)
	}
	answer, err := client.Do(ask)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, body, err
}

func judge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, body, err := verify(r)
		if err == nil && answer.StatusCode == 422 { // such as a path that is too long to be asked about
			problem(w, 400, "bad_request", "This request cannot be judged.")
			return
		}
		if err == nil && answer.Header.Get("Content-Type") == problemType {
			// No live key, or Bitting has no database.
			for _, name := range []string{"Content-Type", "Www-Authenticate", "Retry-After"} {
				w.Header()[name] = answer.Header[name]
			}
			w.WriteHeader(answer.StatusCode)
			w.Write(body)
			return
		}
		var verdict verdict
		if err != nil || answer.StatusCode != 200 || json.Unmarshal(body, &verdict) != nil {
			problem(w, 503, "unavailable", "Keys cannot be checked at the moment.")
			return
		}
		if !verdict.Allowed {
			said, known := refusals[verdict.Code]
			if !known {
				said = refusal{403, "No key may do this."}
			}
			if verdict.Code == "insufficient_scope" {
				said.detail += verdict.Required + "."
			}
			if verdict.RetryAfter != "" {
				w.Header().Set("Retry-After", verdict.RetryAfter.String())
			}
			problem(w, said.status, verdict.Code, said.detail)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), keyOf{}, verdict.Key.Name)))
	})
}

func problem(w http.ResponseWriter, status int, code, detail string) {
	answer(w, problemType, status, map[string]any{
		"type": "urn:bitting:problem:" + code, "status": status, "code": code, "detail": detail,
	})
}

func answer(w http.ResponseWriter, contentType string, status int, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func orders(w http.ResponseWriter, r *http.Request) {
	name := r.Context().Value(keyOf{})
	if r.Method == "POST" {
		var order any
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			answer(w, "application/json", 400, map[string]any{"error": fmt.Sprint(err)})
			return
		}
		answer(w, "application/json", 201, map[string]any{"order": order, "made_by": name})
		return
	}
	list := []map[string]any{{"id": 1, "item": "a door"}}
	answer(w, "application/json", 200, map[string]any{"orders": list, "asked_by": name})
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/orders", orders)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+env("PORT", "3000"), judge(mux)))
}
