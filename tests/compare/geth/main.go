// geth's half of the comparison, and the program that runs both halves alternately.
//
//	geth rlpx [flags]          times geth's handshake and frames; one JSON line for each
//	geth packets [flags]       times geth's pings, made and read
//	geth table [flags]         times the look into geth's full table
//	geth discover              a node for discovery v4 alone; prints its enode URL
//	geth pings [flags] ENODE   pings ENODE as fast as it answers, says how fast that is
//	geth serve [flags]         a p2p.Server that serves `echo`; prints its enode URL
//	geth load [flags] ENODE    opens many connections to ENODE, says how fast, and holds them
//	geth echo [flags] ENODE    has ENODE send messages back, says how many it did
//	geth run [flags]           both halves in turns, and the table
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	arguments := os.Args[2:]
	switch os.Args[1] {
	case "rlpx":
		rlpxBenchmark(arguments)
	case "packets":
		packetsBenchmark(arguments)
	case "table":
		tableBenchmark(arguments)
	case "discover":
		discoverNode(arguments)
	case "pings":
		pings(arguments)
	case "serve":
		serve(arguments)
	case "load":
		load(arguments)
	case "echo":
		echoLoad(arguments)
	case "run":
		run(arguments)
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: geth rlpx|packets|table|discover|pings|serve|load|echo|run [flags] [arguments]")
	os.Exit(2)
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	killChildren()
	os.Exit(1)
}

// emit prints one JSON line.
func emit(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		fail("%v", err)
	}
	fmt.Println(string(line))
}
