package main

import (
	"bufio"
	"crypto/ecdsa"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
	"github.com/ethereum/go-ethereum/rlp"
)

const (
	codeHello      = 0
	codeDisconnect = 1
	codePing       = 2
	codePong       = 3
)

// emptyList is the payload of ping and pong.
var emptyList = []byte{0xC0}

type hello struct {
	Version    uint64
	Name       string
	Caps       []p2p.Cap
	ListenPort uint64
	ID         []byte
	Rest       []rlp.RawValue `rlp:"tail"`
}

// load opens many connections, each with a key of its own, says how long that took, and holds them, answering pings,
// until its standard input ends. A connection counts once a ping of ours was answered: then both handshakes are done
// and the other side has admitted the peer.
func load(arguments []string) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	count := flags.Int("connections", 1000, "connections")
	parallel := flags.Int("parallel", 16, "how many to open at a time")
	flags.Parse(arguments)
	if flags.NArg() != 1 {
		fail("load: want one ENODE")
	}
	node, err := enode.ParseV4(flags.Arg(0))
	if err != nil {
		fail("load: %v", err)
	}
	endpoint, ok := node.TCPEndpoint()
	if !ok {
		fail("load: no TCP endpoint in %s", flags.Arg(0))
	}
	target := &target{address: endpoint.String(), node: node}

	// The keys are made beforehand: a real network's nodes have theirs.
	visitors := make([]*visitor, *count)
	for i := range visitors {
		visitors[i] = &visitor{target: target, key: newKey()}
	}

	var next atomic.Int64
	var workers sync.WaitGroup
	var failures sync.Map
	begin := time.Now()
	for range *parallel {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := int(next.Add(1)) - 1; i < *count; i = int(next.Add(1)) - 1 {
				if err := visitors[i].open(); err != nil {
					failures.Store(i, err)
				}
			}
		}()
	}
	workers.Wait()
	spent := time.Since(begin).Seconds()

	failed, first := 0, ""
	failures.Range(func(_, err any) bool {
		failed++
		first = fmt.Sprint(err)
		return true
	})
	opened := *count - failed
	emit(map[string]any{"event": "opened", "connections": opened, "failed": failed, "first_failure": first,
		"seconds": spent, "per_second": float64(opened) / spent})

	for _, v := range visitors {
		if v.conn != nil {
			go v.stay()
		}
	}
	bufio.NewReader(os.Stdin).ReadString('\n')
	target.leaving.Store(true)
	emit(map[string]any{"event": "held", "lost": target.lost.Load(), "pings_answered": target.pings.Load()})
	for _, v := range visitors {
		if v.conn != nil {
			v.leave()
		}
	}
}

type target struct {
	address string
	node    *enode.Node
	leaving atomic.Bool
	lost    atomic.Int64
	pings   atomic.Int64
}

type visitor struct {
	*target
	key    *ecdsa.PrivateKey
	socket *gathering
	conn   *rlpx.Conn
	writes sync.Mutex
}

func (v *visitor) open() (err error) {
	tcp, err := net.DialTimeout("tcp", v.address, 10*time.Second)
	if err != nil {
		return err
	}
	socket := &gathering{Conn: tcp}
	defer func() {
		if err != nil {
			socket.Close()
		}
	}()
	socket.SetDeadline(time.Now().Add(30 * time.Second))
	conn := rlpx.NewConn(socket, v.node.Pubkey())
	if _, err := conn.Handshake(v.key); err != nil {
		return fmt.Errorf("encryption handshake: %w", err)
	}
	ours, err := rlp.EncodeToBytes(hello{Version: 5, Name: "load", Caps: []p2p.Cap{{Name: "echo", Version: 1}},
		ID: crypto.FromECDSAPub(&v.key.PublicKey)[1:]})
	if err != nil {
		return err
	}
	if _, err := conn.Write(codeHello, ours); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if _, err := expect(conn, codeHello); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	conn.SetSnappy(true)
	if _, err := conn.Write(codePing, emptyList); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	if _, err := expect(conn, codePong); err != nil {
		return fmt.Errorf("pong: %w", err)
	}
	socket.SetDeadline(time.Time{})
	v.socket, v.conn = socket, conn
	return nil
}

func expect(conn *rlpx.Conn, want uint64) ([]byte, error) {
	code, data, _, err := conn.Read()
	if err != nil {
		return nil, err
	}
	if code != want {
		return nil, fmt.Errorf("message %d (%x) in place of %d", code, data, want)
	}
	return data, nil
}

// stay answers pings until the connection ends.
func (v *visitor) stay() {
	for {
		code, _, _, err := v.conn.Read()
		if err != nil || code == codeDisconnect {
			if !v.leaving.Load() {
				v.lost.Add(1)
			}
			return
		}
		if code == codePing {
			v.pings.Add(1)
			v.write(codePong, emptyList)
		}
	}
}

func (v *visitor) write(code uint64, payload []byte) {
	v.writes.Lock()
	defer v.writes.Unlock()
	v.socket.SetWriteDeadline(time.Now().Add(5 * time.Second))
	v.conn.Write(code, payload)
	v.socket.flush()
}

func (v *visitor) leave() {
	v.write(codeDisconnect, []byte{0xC1, 8})
	v.socket.Close()
}
