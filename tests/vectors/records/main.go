// Record-vectors writes down what geth makes of node records.
//
//	go run .                                  500 records → geth.json, indented
//	go run . -count 200000 -seed 2 -out FILE  as many others, one object a line
//
// The records are signed as they stand, however wrongly they are put together;
// some are damaged afterwards. The same seed makes the same records.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"net/netip"
	"os"
	"sort"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"
)

// Result is what geth reports about one record. Decoded: it is a record. OK:
// it is one that its owner signed. An IPv4-mapped address is shown as IPv4.
type Result struct {
	Record       string `json:"record"`
	Decoded      bool   `json:"decoded"`
	OK           bool   `json:"ok"`
	Error        string `json:"error,omitempty"`
	ID           string `json:"id,omitempty"`
	Seq          uint64 `json:"seq,omitempty"`
	IP           string `json:"ip,omitempty"`
	UDP          int    `json:"udp,omitempty"`
	TCP          int    `json:"tcp,omitempty"`
	QUICEndpoint string `json:"quic_endpoint,omitempty"`
	URL          string `json:"url,omitempty"`
	Text         string `json:"text,omitempty"`
}

func ask(record []byte) Result {
	result := Result{Record: hex.EncodeToString(record)}
	var r enr.Record
	if err := rlp.DecodeBytes(record, &r); err != nil {
		result.Error = err.Error()
		return result
	}
	result.Decoded, result.Seq = true, r.Seq()
	node, err := enode.New(enode.ValidSchemes, &r)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	result.OK = true
	result.ID = node.ID().String()
	if node.IPAddr().IsValid() {
		result.IP = node.IPAddr().Unmap().String()
	}
	result.UDP, result.TCP = node.UDP(), node.TCP()
	if endpoint, ok := node.QUICEndpoint(); ok {
		result.QUICEndpoint = netip.AddrPortFrom(endpoint.Addr().Unmap(), endpoint.Port()).String()
	}
	result.URL, result.Text = node.URLv4(), node.String()
	return result
}

var (
	ip4s  = []string{"0.0.0.0", "127.0.0.1", "169.254.2.6", "192.168.2.2", "99.22.33.1", "224.0.0.22"}
	ip6s  = []string{"::", "::1", "fe80::1", "fd00::1", "2a00::1", "ff05::1", "::ffff:9.8.7.6", "::ffff:224.0.0.1", "2001:db8::1"}
	ports = []uint64{0, 1, 127, 128, 255, 256, 30303, 65535, 65536, 1 << 40}
	names = []string{"id", "ip", "ip6", "tcp", "tcp6", "udp", "udp6", "quic", "quic6", "eth", "a", "zz", ""}
)

func encode(value any) []byte {
	encoded, err := rlp.EncodeToBytes(value)
	if err != nil {
		panic(err)
	}
	return encoded
}

func noise(random *rand.Rand, most int) []byte {
	bytes := make([]byte, random.Intn(most+1))
	random.Read(bytes)
	return bytes
}

// item is any RLP item, or nearly one.
func item(random *rand.Rand) []byte {
	switch random.Intn(8) {
	case 0, 1, 2:
		return encode(noise(random, 40))
	case 3:
		return encode(ports[random.Intn(len(ports))])
	case 4:
		content := noise(random, 20)
		return append([]byte{0xc0 + byte(len(content))}, content...)
	case 5:
		return []byte{0x81, byte(random.Intn(256))}
	case 6:
		return []byte{0x82, 0, byte(random.Intn(256))}
	default:
		return noise(random, 4)
	}
}

func value(random *rand.Rand, name string) []byte {
	if random.Intn(8) == 0 {
		return item(random)
	}
	switch name {
	case "id":
		return encode("v4")
	case "ip":
		return encode(netip.MustParseAddr(ip4s[random.Intn(len(ip4s))]).AsSlice())
	case "ip6":
		return encode(netip.MustParseAddr(ip6s[random.Intn(len(ip6s))]).AsSlice())
	case "tcp", "tcp6", "udp", "udp6", "quic", "quic6":
		return encode(ports[random.Intn(len(ports))])
	default:
		return item(random)
	}
}

type pair struct {
	name       string
	key, value []byte
}

func list(parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	switch length := len(content); {
	case length < 56:
		return append([]byte{0xc0 + byte(length)}, content...)
	case length < 256:
		return append([]byte{0xf8, byte(length)}, content...)
	default:
		return append([]byte{0xf9, byte(length >> 8), byte(length)}, content...)
	}
}

func record(random *rand.Rand) []byte {
	secret := bytes.Repeat([]byte{byte(1 + random.Intn(200))}, 32)
	key, err := crypto.ToECDSA(secret)
	if err != nil {
		panic(err)
	}
	var pairs []pair
	add := func(name string, value []byte) {
		pairs = append(pairs, pair{name, encode(name), value})
	}
	for range random.Intn(7) {
		name := names[1+random.Intn(len(names)-1)]
		add(name, value(random, name))
	}
	if random.Intn(16) != 0 {
		add("id", value(random, "id"))
	}
	switch random.Intn(16) {
	case 0:
	case 1:
		add("secp256k1", item(random))
	case 2:
		add("secp256k1", encode(crypto.FromECDSAPub(&key.PublicKey)))
	default:
		add("secp256k1", encode(crypto.CompressPubkey(&key.PublicKey)))
	}
	if random.Intn(24) == 0 {
		add("zz", encode(noise(random, 300)))
	}
	if random.Intn(12) != 0 {
		sort.SliceStable(pairs, func(i, j int) bool { return pairs[i].name < pairs[j].name })
		unique := pairs[:0]
		for i, pair := range pairs {
			if i == 0 || pair.name != pairs[i-1].name {
				unique = append(unique, pair)
			}
		}
		pairs = unique
	}
	content := encode(random.Uint64() >> random.Intn(64))
	if random.Intn(24) == 0 {
		content = item(random)
	}
	for _, pair := range pairs {
		if random.Intn(48) == 0 {
			pair.key = item(random)
		}
		content = append(append(content, pair.key...), pair.value...)
	}
	if random.Intn(48) == 0 {
		content = append(content, item(random)...)
	}
	signature, err := crypto.Sign(crypto.Keccak256(list(content)), key)
	if err != nil {
		panic(err)
	}
	if random.Intn(32) == 0 {
		signature[random.Intn(64)]++
	}
	whole := list(encode(signature[:64-max(0, random.Intn(32)-30)]), content)
	for random.Intn(12) == 0 {
		at := random.Intn(len(whole))
		switch random.Intn(3) {
		case 0:
			whole[at] = byte(random.Intn(256))
		case 1:
			whole = whole[:at+1]
		case 2:
			whole = append(whole, noise(random, 2)...)
		}
	}
	return whole
}

func run() error {
	count := flag.Int("count", 500, "how many records")
	seed := flag.Int64("seed", 1, "of the records")
	out := flag.String("out", "geth.json", "where the results go")
	flag.Parse()

	random := rand.New(rand.NewSource(*seed))
	file, err := os.Create(*out)
	if err != nil {
		return err
	}
	writer := bufio.NewWriter(file)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)
	if *out == "geth.json" {
		encoder.SetIndent("", " ")
		results := make([]Result, *count)
		for i := range results {
			results[i] = ask(record(random))
		}
		err = encoder.Encode(results)
	} else {
		for range *count {
			if err = encoder.Encode(ask(record(random))); err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	if err := writer.Flush(); err != nil {
		return err
	}
	return file.Close()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
