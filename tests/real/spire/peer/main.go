// A workload that knows nothing of mandated: SPIFFE's own library for Go, as a server and as a client.
//
//	peer serve ADDRESS SPIFFE_ID           an MCP server over mTLS, for callers of this ID
//	peer call URL SPIFFE_ID NAME=VALUE…    one POST of the standard input over mTLS, to a server of this ID
//
// The Workload API is where SPIFFE_ENDPOINT_SOCKET says.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func source() *workloadapi.X509Source {
	limited, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	found, err := workloadapi.NewX509Source(limited)
	if err != nil {
		log.Fatal(err)
	}
	return found
}

type message struct {
	ID     json.RawMessage `json:"id"`
	Params struct {
		Arguments json.RawMessage `json:"arguments"`
	} `json:"params"`
}

func answer(writer http.ResponseWriter, request *http.Request) {
	var asked message
	if err := json.NewDecoder(request.Body).Decode(&asked); err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	caller := request.TLS.PeerCertificates[0].URIs[0].String()
	text, _ := json.Marshal(map[string]any{"caller": caller, "arguments": asked.Params.Arguments})
	body, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": asked.ID, "result": map[string]any{
		"content": []any{map[string]any{"type": "text", "text": string(text)}}}})
	writer.Header().Set("content-type", "application/json")
	writer.Write(body)
}

func serve(address, id string) {
	svids := source()
	config := tlsconfig.MTLSServerConfig(svids, svids, tlsconfig.AuthorizeID(spiffeid.RequireFromString(id)))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(answer), TLSConfig: config}
	log.Fatal(server.ServeTLS(listener, "", ""))
}

func call(url, id string, fields []string) {
	svids := source()
	config := tlsconfig.MTLSClientConfig(svids, svids, tlsconfig.AuthorizeID(spiffeid.RequireFromString(id)))
	request, err := http.NewRequest("POST", url, os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		request.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d %s %s\n", response.StatusCode, response.Proto, body)
}

func main() {
	switch {
	case len(os.Args) == 4 && os.Args[1] == "serve":
		serve(os.Args[2], os.Args[3])
	case len(os.Args) >= 4 && os.Args[1] == "call":
		call(os.Args[2], os.Args[3], os.Args[4:])
	default:
		log.Fatal("peer serve ADDRESS SPIFFE_ID | peer call URL SPIFFE_ID NAME=VALUE…")
	}
}
