package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
)

// options are what `serve` and `dial` have in common.
type options struct {
	keyFile  string
	name     string
	caps     string
	maxPeers int
	address  string
	byStdin  bool
}

func (o *options) register(flags *flag.FlagSet) {
	flags.StringVar(&o.keyFile, "nodekey", "", "node key file, 64 hex digits (default: a new key)")
	flags.StringVar(&o.name, "name", "geth-interop/v1.17.6", "client name in the hello")
	flags.StringVar(&o.caps, "caps", "echo/1", "capabilities, comma separated; none for none at all")
	flags.IntVar(&o.maxPeers, "maxpeers", 25, "most peers, all of which may be inbound")
	flags.BoolVar(&o.byStdin, "quit-with-stdin", false, "quit at a line `quit` or the end of standard input")
}

func (o *options) key() *ecdsa.PrivateKey {
	if o.keyFile == "" {
		key, err := crypto.GenerateKey()
		if err != nil {
			fail("%v", err)
		}
		return key
	}
	key, err := crypto.LoadECDSA(o.keyFile)
	if err != nil {
		fail("node key %s: %v", o.keyFile, err)
	}
	return key
}

// protocols gives one protocol for each capability: `echo` serves echoes, any other only reads.
func (o *options) protocols(echoes *echoer) []p2p.Protocol {
	if o.caps == "none" {
		return nil
	}
	var all []p2p.Protocol
	for _, text := range strings.Split(o.caps, ",") {
		name, digits, _ := strings.Cut(text, "/")
		version, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			fail("capability %q: want name/version", text)
		}
		protocol := p2p.Protocol{Name: name, Version: uint(version), Length: 17, Run: discardAll}
		if name == "echo" {
			protocol.Length, protocol.Run = echoLength, echoes.run
		}
		all = append(all, protocol)
	}
	return all
}

func discardAll(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
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

// start runs a server with no discovery, and reports what becomes of its peers as JSON lines.
func (o *options) start(echoes *echoer, noDial bool, sink func(map[string]any)) *p2p.Server {
	server := &p2p.Server{Config: p2p.Config{
		PrivateKey:  o.key(),
		MaxPeers:    o.maxPeers,
		NoDiscovery: true,
		NoDial:      noDial,
		Name:        o.name,
		Protocols:   o.protocols(echoes),
		ListenAddr:  o.address,
		Logger:      log.NewLogger(&eventLog{sink: sink}),
	}}
	added := make(chan *p2p.PeerEvent, 64)
	server.SubscribeEvents(added)
	if err := server.Start(); err != nil {
		fail("start: %v", err)
	}
	go func() {
		for event := range added {
			if event.Type == p2p.PeerEventTypeAdd {
				sink(describe(server, event))
			}
		}
	}()
	return server
}

// describe looks the new peer up, since the event itself names neither its client nor its capabilities.
func describe(server *p2p.Server, event *p2p.PeerEvent) map[string]any {
	line := map[string]any{"event": "connected", "id": event.Peer.String(), "remote": event.RemoteAddress}
	for _, peer := range server.Peers() {
		if peer.ID() == event.Peer {
			direction := "outbound"
			if peer.Inbound() {
				direction = "inbound"
			}
			line["name"], line["caps"], line["direction"] = peer.Fullname(), peer.Info().Caps, direction
		}
	}
	return line
}

// eventLog turns the server's log records about connections into events. The server tells its reasons for refusing
// a connection nowhere else.
type eventLog struct {
	sink  func(map[string]any)
	attrs []slog.Attr
}

func (h *eventLog) Enabled(context.Context, slog.Level) bool { return true }

func (h *eventLog) WithGroup(string) slog.Handler { return h }

func (h *eventLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &eventLog{sink: h.sink, attrs: append(append([]slog.Attr{}, h.attrs...), attrs...)}
}

func (h *eventLog) Handle(_ context.Context, record slog.Record) error {
	values := make(map[string]any)
	text := record.Message
	keep := func(attr slog.Attr) bool {
		values[attr.Key] = fmt.Sprint(attr.Value.Any())
		text += fmt.Sprintf(" %s=%v", attr.Key, attr.Value.Any())
		return true
	}
	for _, attr := range h.attrs {
		keep(attr)
	}
	record.Attrs(keep)
	fmt.Fprintln(os.Stderr, text)

	switch record.Message {
	case "Failed RLPx handshake", "Failed p2p handshake", "Wrong devp2p handshake identity", "Rejected peer",
		"Setting up connection failed", "Dial error":
		h.sink(map[string]any{"event": "refused", "stage": record.Message, "error": values["err"], "id": values["id"],
			"remote": values["addr"], "kind": values["conn"]})
	case "Removing p2p peer":
		h.sink(map[string]any{"event": "disconnected", "id": values["id"], "error": values["err"],
			"requested": values["req"] == "true"})
	}
	return nil
}

// asked closes the channel once somebody wants the program to end.
func asked(byStdin bool) <-chan struct{} {
	end := make(chan struct{})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	lines := make(chan struct{})
	if byStdin {
		go func() {
			defer close(lines)
			input := bufio.NewReader(os.Stdin)
			for {
				line, err := input.ReadString('\n')
				if strings.TrimSpace(line) == "quit" || err == io.EOF {
					return
				}
			}
		}()
	}
	go func() {
		defer close(end)
		select {
		case <-signals:
		case <-lines:
		}
	}()
	return end
}

func serve(arguments []string) {
	var o options
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	o.register(flags)
	flags.StringVar(&o.address, "addr", "127.0.0.1:0", "listening address")
	flags.Parse(arguments)

	end := asked(o.byStdin)
	server := o.start(newEchoer(), true, func(line map[string]any) { emit(line) })
	emit(map[string]any{"event": "listening", "enode": server.Self().URLv4(), "id": server.Self().ID().String()})
	<-end
	server.Stop()
}
