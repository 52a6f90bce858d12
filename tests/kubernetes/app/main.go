// What a real pod of the tests runs: says who and where it is, in the words of tests/e2e/kube_container.py.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

var underWay, most atomic.Int64

func answer(w http.ResponseWriter, r *http.Request) {
	now := underWay.Add(1)
	defer underWay.Add(-1)
	for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
	}
	if wait, err := time.ParseDuration(r.URL.Query().Get("wait")); err == nil {
		time.Sleep(wait)
	}
	if r.URL.Path == "/exit" {
		os.Exit(7)
	}
	environment := map[string]string{}
	for _, each := range os.Environ() {
		name, value, _ := strings.Cut(each, "=")
		environment[name] = value
	}
	file, _ := os.ReadFile(r.URL.Query().Get("file"))
	host, _ := os.Hostname()
	json.NewEncoder(w).Encode(map[string]any{"address": host, "args": os.Args[1:], "env": environment, "file": string(file),
		"most": most.Load(), "path": r.URL.Path, "uid": os.Getuid()})
}

func main() {
	fmt.Println("app: begins")
	if len(os.Args) > 1 && os.Args[1] == "fail" {
		fmt.Println("app: a wrong setting")
		os.Exit(3)
	}
	http.HandleFunc("/", answer)
	fmt.Println(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
	os.Exit(1)
}
