package main

import (
	"fmt"
	"strings"
	"time"
)

// suite is what geth's `devp2p discv4 test` holds, in its order. Source: geth 1.17.6 `v4test.AllTests`.
var suite = []string{
	"Ping/Basic", "Ping/WrongTo", "Ping/WrongFrom", "Ping/ExtraData", "Ping/ExtraDataWrongFrom", "Ping/PastExpiration",
	"Ping/WrongPacketType", "Ping/BondThenPingWithWrongFrom", "ENRRequest", "Findnode/WithoutEndpointProof",
	"Findnode/BasicFindnode", "Findnode/UnsolicitedNeighbors", "Findnode/PastExpiration",
	"Amplification/InvalidPongHash", "Amplification/WrongIP",
}

// gethSuite is geth's own suite of discovery v4 in one run against one node of ours.
func gethSuite(kind string, begin func(t *test) *node) stage {
	var ours *node
	var tests *program
	s := stage{start: func(t *test) {
		ours = begin(t)
		tests = t.spawn("geth's suite", t.bench.tool, "discv4", "test", "--remote", ours.url, "--listen1", "127.0.0.1",
			"--listen2", "127.0.0.2", "--tap")
		t.check(tests.wait(2*time.Minute) != -1, "geth's suite does not end")
	}}
	for i, name := range suite {
		s.cases = append(s.cases, trial{fmt.Sprintf("geth's discv4 suite on %s: %s", kind, name), func(t *test) {
			ok, failed := fmt.Sprintf("ok %d %s", i+1, name), fmt.Sprintf("not ok %d %s", i+1, name)
			for at, line := range tests.out {
				t.check(line != failed, "%s", strings.Join(diagnostics(tests.out[at+1:]), "; "))
				if line == ok {
					return
				}
			}
			t.failf("it was not played")
		}})
	}
	total := fmt.Sprintf("geth's discv4 suite on %s: %d of %d, and it still answers", kind, len(suite), len(suite))
	s.cases = append(s.cases, trial{total, func(t *test) {
		t.check(tests.wait(0) == 0, "exit status %d, want 0", tests.wait(0))
		passed := 0
		for _, line := range tests.out {
			if strings.HasPrefix(line, "ok ") {
				passed++
			}
		}
		plan := fmt.Sprintf("1..%d", len(suite))
		t.check(tests.out[0] == plan && passed == len(suite), "plan %s, want %s; %d passed", tests.out[0], plan, passed)
		t.gethAnswer(func(string) bool { return true }, "ping", ours.url)
	}})
	return s
}

// diagnostics are the lines on one test that failed.
func diagnostics(lines []string) (all []string) {
	for _, line := range lines {
		text, found := strings.CutPrefix(line, "# ")
		if !found {
			break
		}
		all = append(all, text)
	}
	return all
}
