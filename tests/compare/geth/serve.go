package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
)

// serve runs a server that does no more than ours does with `rlpx listen --echo`: no discovery, no dialing, no log.
func serve(arguments []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	peers := flags.Int("maxpeers", 50, "most peers, all inbound since it does not dial")
	pending := flags.Int("maxpending", 50, "most handshakes at a time")
	flags.Parse(arguments)

	server := &p2p.Server{Config: p2p.Config{
		PrivateKey:      newKey(),
		MaxPeers:        *peers,
		MaxPendingPeers: *pending,
		NoDiscovery:     true,
		NoDial:          true,
		Name:            "geth-compare/v1.17.6",
		Protocols:       []p2p.Protocol{{Name: "echo", Version: 1, Length: 2, Run: echo}},
		ListenAddr:      "127.0.0.1:0",
		Logger:          log.NewLogger(slog.DiscardHandler),
	}}
	if err := server.Start(); err != nil {
		fail("serve: %v", err)
	}
	fmt.Println(server.Self().URLv4())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	<-signals
	server.Stop()
}

func echo(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
	for {
		message, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		payload, err := io.ReadAll(message.Payload)
		if err != nil {
			return err
		}
		if message.Code == 0 {
			reply := p2p.Msg{Code: 1, Size: uint32(len(payload)), Payload: bytes.NewReader(payload)}
			if err := rw.WriteMsg(reply); err != nil {
				return err
			}
		}
	}
}
