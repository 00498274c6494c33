// A client of Go's net/http: asks the server at the URL that it is given for everything, and prints what it got.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"sort"
	"strings"
	"time"
)

var client = &http.Client{
	Transport: &http.Transport{ExpectContinueTimeout: 10 * time.Second, DisableCompression: true},
	Timeout:   20 * time.Second,
}

func main() {
	base := os.Args[1]
	ask("GET", base+"/hello?a=%20b&&c", nil, nil)
	ask("HEAD", base+"/file", nil, nil)
	ask("GET", base+"/file", nil, nil)
	ask("GET", base+"/file", nil, map[string]string{"Range": "bytes=10-99"})
	ask("GET", base+"/file", nil, map[string]string{"Range": "bytes=999990-"})
	ask("GET", base+"/file", nil, map[string]string{"If-None-Match": `"v1"`})
	ask("GET", base+"/trailers", nil, nil)
	ask("GET", base+"/hints", nil, nil)
	ask("GET", base+"/nothing", nil, nil)
	ask("GET", base+"/events", nil, nil)
	ask("GET", base+"/to-the-end", nil, nil)
	ask("GET", base+"/no-such-thing", nil, nil)
	ask("POST", base+"/sum", strings.NewReader(strings.Repeat("up", 500_000)), nil)
	ask("PUT", base+"/sum", strings.NewReader("with leave"), map[string]string{"Expect": "100-continue"})
	ask("POST", base+"/sum", io.MultiReader(strings.NewReader("in "), strings.NewReader("chunks")), nil)
	ask("DELETE", base+"/sum", nil, nil)
	ask("PATCH", base+"/sum", &sized{}, nil)
}

// A body whose length nobody knows, with a trailer.
type sized struct{ sent int }

func (body *sized) Read(into []byte) (int, error) {
	if body.sent == 3 {
		return 0, io.EOF
	}
	body.sent++
	return copy(into, "part "), nil
}

func ask(method, url string, body io.Reader, fields map[string]string) {
	hints := []string{}
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		panic(err)
	}
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, " ", header.Get("Link")))
		return nil
	}}
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
	for name, value := range fields {
		request.Header.Set(name, value)
	}
	if _, isSized := body.(*sized); isSized {
		request.Trailer = http.Header{"X-Sum": {"7"}}
	}
	path := url[strings.LastIndex(url, "/"):]
	response, err := client.Do(request)
	if err != nil {
		fmt.Println(method, path, "failed:", strings.ReplaceAll(err.Error(), url, path))
		return
	}
	got, err := io.ReadAll(response.Body)
	response.Body.Close()
	text := string(got)
	if len(text) > 200 {
		text = fmt.Sprintf("%d bytes, %x", len(got), sha256.Sum256(got))
	}
	kept := []string{}
	for _, name := range []string{"Content-Range", "Content-Length", "Etag", "X-Query", "Content-Type"} {
		if value := response.Header.Get(name); value != "" {
			kept = append(kept, name+"="+value)
		}
	}
	sort.Strings(kept)
	fmt.Println(method, path, hints, response.StatusCode, kept, response.ContentLength, response.TransferEncoding, text, response.Trailer, err)
}
