package main

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/nat"
)

// server is a whole node.
type server struct {
	*p2p.Server
	counts
	dials, admitted, dropped atomic.Uint64
}

func startServer(key *ecdsa.PrivateKey, ip string, maxPeers int, bootnodes []*enode.Node) *server {
	s := &server{}
	s.Server = &p2p.Server{Config: p2p.Config{
		PrivateKey:     key,
		MaxPeers:       maxPeers,
		DiscoveryV4:    true,
		BootstrapNodes: bootnodes,
		Name:           "geth-reality/v1.17.6",
		Protocols:      []p2p.Protocol{{Name: "reality", Version: 1, Length: 1, Run: readAll}},
		ListenAddr:     fmt.Sprintf("%s:%d", ip, port),
		NAT:            nat.ExtIP(net.ParseIP(ip)), // else its record says 127.0.0.1 until others have said where it is
		Dialer:         dialer{&s.dials},
		Logger:         log.NewLogger(&s.counts),
	}}
	events := make(chan *p2p.PeerEvent, 1024)
	s.SubscribeEvents(events)
	check(s.Start())
	go func() {
		for event := range events {
			switch event.Type {
			case p2p.PeerEventTypeAdd:
				s.admitted.Add(1)
			case p2p.PeerEventTypeDrop:
				s.dropped.Add(1)
			}
		}
	}()
	return s
}

func (s *server) look() sample {
	return sample{
		Peers: s.PeerCount(), Table: entries(s.DiscoveryV4()), Sent: s.sent(),
		Dials: s.dials.Load(), Admitted: s.admitted.Load(), Dropped: s.dropped.Load(),
	}
}

func (s *server) lookUp() (map[string]any, bool) { return nil, false }

func readAll(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
	for {
		message, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		if err := message.Discard(); err != nil {
			return err
		}
	}
}

// dialer is geth's own, counted.
type dialer struct{ dials *atomic.Uint64 }

func (d dialer) Dial(ctx context.Context, to *enode.Node) (net.Conn, error) {
	d.dials.Add(1)
	addr, ok := to.TCPEndpoint()
	if !ok {
		return nil, fmt.Errorf("no endpoint")
	}
	return (&net.Dialer{Timeout: 15 * time.Second}).DialContext(ctx, "tcp", addr.String())
}

// counts counts packets by kind: discovery logs each that it sends, and says so nowhere else.
type counts struct{ kinds [6]atomic.Uint64 }

var kinds = []string{
	"PING/v4", "PONG/v4", "FINDNODE/v4", "NEIGHBORS/v4", "ENRREQUEST/v4", "ENRRESPONSE/v4",
}

func (c *counts) sent() (sent [6]uint64) {
	for i := range sent {
		sent[i] = c.kinds[i].Load()
	}
	return sent
}

func (c *counts) Enabled(context.Context, slog.Level) bool { return true }

func (c *counts) WithGroup(string) slog.Handler { return c }

func (c *counts) WithAttrs([]slog.Attr) slog.Handler { return c }

func (c *counts) Handle(_ context.Context, record slog.Record) error {
	if name, sent := strings.CutPrefix(record.Message, ">> "); sent {
		for i, kind := range kinds {
			if name == kind {
				c.kinds[i].Add(1)
			}
		}
	}
	return nil
}
