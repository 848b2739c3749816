// geth's nodes for tests/reality/run: what they are comes as one line of standard input, and when that ends they end. Each
// line of standard output is what a node tells of itself, as our nodes do: see tests/src/bin/reality/line.rs.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// port is the one of every node, at its own address of loopback.
const port = 30303

// order is what this process runs.
type order struct {
	Bootnode          string   `json:"bootnode"`
	MaxPeers          int      `json:"max_peers"`
	Dials             bool     `json:"dials"`
	StartMilliseconds int      `json:"start_milliseconds"`
	LookMilliseconds  int      `json:"look_milliseconds"`
	LookUps           *lookUps `json:"look_ups"`
	Nodes             []struct {
		Name uint32 `json:"name"`
		Key  string `json:"key"`
		IP   string `json:"ip"`
	} `json:"nodes"`
}

// lookUps is when look-ups are made, in seconds from the start of a node on.
type lookUps struct {
	From  int `json:"from"`
	Every int `json:"every"`
	Each  int `json:"each"`
}

// sample is a node at one moment.
type sample struct {
	Peers    int       `json:"peers"`
	Table    int       `json:"table"`
	Sent     [6]uint64 `json:"sent"`
	Dials    uint64    `json:"dials"`
	Admitted uint64    `json:"admitted"`
	Dropped  uint64    `json:"dropped"`
}

// node is one of geth's, however much of it there is.
type node interface {
	look() sample
	lookUp() (map[string]any, bool)
}

func main() {
	input := bufio.NewReader(os.Stdin)
	line, err := input.ReadBytes('\n')
	check(err)
	var o order
	check(json.Unmarshal(line, &o))
	var bootnodes []*enode.Node
	began := time.Now()
	for _, one := range o.Nodes {
		at := time.Duration(o.StartMilliseconds) * time.Millisecond * time.Duration(one.Name)
		time.Sleep(time.Until(began.Add(at)))
		key, err := crypto.HexToECDSA(one.Key)
		check(err)
		if one.Name != 0 {
			bootnodes = []*enode.Node{enode.MustParse(o.Bootnode)}
		} else {
			bootnodes = nil
		}
		var started node
		if o.Dials {
			started = startServer(key, one.IP, o.MaxPeers, bootnodes)
		} else {
			started = startDiscovery(key, one.IP, bootnodes)
		}
		tell(one.Name, "started", hex.EncodeToString(enode.PubkeyToIDV4(&key.PublicKey).Bytes()))
		go watch(one.Name, started, time.Duration(o.LookMilliseconds)*time.Millisecond)
		if o.LookUps != nil {
			go lookUpAll(one.Name, started, *o.LookUps)
		}
	}
	io.Copy(io.Discard, input)
}

func watch(name uint32, n node, pause time.Duration) {
	for {
		tell(name, "looks", n.look())
		time.Sleep(pause)
	}
}

// lookUpAll does one at a time, so that all that is counted meanwhile is that look-up's.
func lookUpAll(name uint32, n node, plan lookUps) {
	every := time.Duration(plan.Every) * time.Second
	begin := time.Now().Add(time.Duration(plan.From) * time.Second)
	for number := range plan.Each {
		time.Sleep(time.Until(begin.Add(every * time.Duration(number))))
		if found, ok := n.lookUp(); ok {
			tell(name, "looked_up", found)
		}
	}
}

var output sync.Mutex

func tell(name uint32, what string, value any) {
	line, err := json.Marshal(map[string]any{
		"node": name, "at": time.Now().UnixMicro(), "says": map[string]any{what: value},
	})
	check(err)
	output.Lock()
	defer output.Unlock()
	fmt.Printf("%s\n", line)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "reality:", err)
		os.Exit(1)
	}
}
