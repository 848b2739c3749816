// Enode-vectors writes down what geth makes of enode URLs.
//
//	go run .                          inputs.json → geth.json, indented
//	go run . -mutations 200000 -seed 1 -out FILE
//	                                  as many damaged inputs, one object a line
//
// In inputs.json {K} stands for a public key, {U} for the same in upper case.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"net/url"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// The key of geth's own tests (p2p/enode/urlv4_test.go).
const key = "1dd9d65c4552b5eb43d5ad55a2ee3f56c6cbc1c64a5c8d659f51fcd51bace243" +
	"51232b8d7821617d2b29b54b81cdefb9b3e9c37d7fd5f63270bcc9e1a6f6a439"

// Result is what geth reports about one input. HostnameHex is hex because a
// Go string may be no UTF-8. Again is Printed, parsed and printed once more.
type Result struct {
	Input       string `json:"input"`
	OK          bool   `json:"ok"`
	Error       string `json:"error,omitempty"`
	PublicKey   string `json:"public_key,omitempty"`
	ID          string `json:"id,omitempty"`
	IP          string `json:"ip,omitempty"`
	HostnameHex string `json:"hostname_hex,omitempty"`
	TCP         int    `json:"tcp,omitempty"`
	UDP         int    `json:"udp,omitempty"`
	TCPEndpoint string `json:"tcp_endpoint,omitempty"`
	UDPEndpoint string `json:"udp_endpoint,omitempty"`
	Printed     string `json:"printed,omitempty"`
	Again       string `json:"again,omitempty"`
	AgainError  string `json:"again_error,omitempty"`
}

func ask(input string) Result {
	result := Result{Input: input}
	node, err := enode.ParseV4(input)
	if err != nil {
		result.Error = words(err)
		return result
	}
	public := node.Pubkey()
	result.OK = true
	result.PublicKey = hex.EncodeToString(append(
		public.X.FillBytes(make([]byte, 32)), public.Y.FillBytes(make([]byte, 32))...))
	result.ID = node.ID().String()
	if node.IPAddr().IsValid() {
		result.IP = node.IPAddr().String()
	}
	result.HostnameHex = hex.EncodeToString([]byte(node.Hostname()))
	result.TCP, result.UDP = node.TCP(), node.UDP()
	if endpoint, ok := node.TCPEndpoint(); ok {
		result.TCPEndpoint = endpoint.String()
	}
	if endpoint, ok := node.UDPEndpoint(); ok {
		result.UDPEndpoint = endpoint.String()
	}
	result.Printed = node.URLv4()
	if again, err := enode.ParseV4(result.Printed); err != nil {
		result.AgainError = words(err)
	} else {
		result.Again = again.URLv4()
	}
	return result
}

// words leaves out the operation and the URL, which the caller has.
func words(err error) string {
	var inner *url.Error
	if errors.As(err, &inner) {
		return inner.Err.Error()
	}
	return err.Error()
}

// What a mutation may insert: the bytes that mean something to some layer.
var pieces = []string{
	"%", "%25", "%41", "%ff", "%FF", "%2", "%zz", "%3a", "%20", "[", "]", "::", ":", "@", "/", "?",
	"#", "&", ";", "=", "+", ".", "0", "1", "9", "f", "F", "x", " ", "\t", "\n", "\x00", "\x7f",
	"é", "\u2028", "\"", "<", ">", "\\", "^", "`", "{", "|", "}", "~", "!", "$", "'", "(", ")", "*",
	",", "-", "_", "discport=", "?discport=1", "&discport=2", "65535", "65536", "127.0.0.1", "224.",
	"255", "::ffff:", "ff02::1", "%25en0", "[::1]", ":30303", "enode://", "ENODE:", key,
}

func mutate(random *rand.Rand, inputs []string) string {
	text := inputs[random.Intn(len(inputs))]
	for range 1 + random.Intn(4) {
		at := random.Intn(len(text) + 1)
		// Most of a URL is its key, and a damaged key tells little.
		if mark := strings.LastIndexByte(text, '@'); mark >= 0 && random.Intn(16) != 0 {
			at = mark + random.Intn(len(text)-mark) + 1
		}
		end := min(len(text), at+random.Intn(6))
		switch random.Intn(4) {
		case 0:
			text = text[:at] + text[end:]
		case 1:
			text = text[:at] + pieces[random.Intn(len(pieces))] + text[end:]
		case 2:
			other := inputs[random.Intn(len(inputs))]
			if mark, tail := strings.LastIndexByte(text, '@'), strings.LastIndexByte(other, '@'); mark >= 0 && tail >= 0 {
				text = text[:mark] + other[tail:]
			}
		case 3:
			text = text[:at] + pieces[random.Intn(len(pieces))] + text[at:]
		}
	}
	return text
}

func run() error {
	mutations := flag.Int("mutations", 0, "damaged inputs to make instead of reading inputs.json as it is")
	seed := flag.Int64("seed", 1, "of the mutations")
	out := flag.String("out", "geth.json", "where the results go")
	flag.Parse()

	var inputs []string
	text, err := os.ReadFile("inputs.json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &inputs); err != nil {
		return err
	}
	for i := range inputs {
		inputs[i] = strings.NewReplacer("{K}", key, "{U}", strings.ToUpper(key)).Replace(inputs[i])
	}

	file, err := os.Create(*out)
	if err != nil {
		return err
	}
	defer file.Close()
	writer := bufio.NewWriter(file)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)
	accepted, total := 0, 0
	count := func(result Result) Result {
		if total++; result.OK {
			accepted++
		}
		return result
	}
	if *mutations == 0 {
		results := make([]Result, len(inputs))
		for i, input := range inputs {
			results[i] = count(ask(input))
		}
		encoder.SetIndent("", " ")
		err = encoder.Encode(results)
	} else {
		random := rand.New(rand.NewSource(*seed))
		for total < *mutations && err == nil {
			// Only text can be compared: a Rust string is always UTF-8.
			if input := mutate(random, inputs); utf8.ValidString(input) {
				err = encoder.Encode(count(ask(input)))
			}
		}
	}
	if err != nil {
		return err
	}
	fmt.Printf("%d inputs, %d accepted\n", total, accepted)
	return writer.Flush()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
