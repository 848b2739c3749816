package main

import (
	"os"
	"regexp"
	"slices"
)

// A stage is a row of cases that share what was started for the first of them: a network that takes a while to
// settle, or a suite that plays all its tests in one run.
type stage struct {
	early func(t *test) // what has to go on for a while; begins before all other cases, unless it is nil
	start func(t *test)
	cases []trial
}

// set is a stage in use.
type set struct {
	stage
	*test
	why string // it could not be set
}

// set begins with a stage, if one of its cases is chosen.
func (s stage) set(b *bench, pattern *regexp.Regexp) *set {
	chosen := slices.DeleteFunc(s.cases, func(one trial) bool { return !pattern.MatchString(one.name) })
	if len(chosen) == 0 {
		return nil
	}
	folder, err := os.MkdirTemp("", "interop")
	if err != nil {
		fail("%v", err)
	}
	s.cases = chosen
	begun := &set{stage: s, test: &test{bench: b, folder: folder}}
	if s.early != nil {
		begun.why = begun.attempt(s.early)
	}
	return begun
}

// play plays the chosen cases in their order. All of them fail if the stage cannot be set.
func (s *set) play(report func(name string, t *test, why string)) {
	defer s.end()
	if s.why == "" {
		s.why = s.attempt(s.start)
	}
	told := 0
	for _, one := range s.cases {
		s.detail = ""
		why := s.why
		if why == "" {
			why = s.attempt(one.run)
		}
		// What the programs said is told once: the next case that fails has only its own programs to add.
		shown := &test{detail: s.detail, programs: s.programs[told:]}
		if why != "" {
			told = len(s.programs)
		}
		report(one.name, shown, why)
	}
}

func stages() []stage {
	bootnode := func(t *test) *node { return t.ourDiscovery() }
	whole := func(runtime string) func(t *test) *node {
		return func(t *test) *node {
			return t.listening(t.ours("run", "--addr", "127.0.0.1", "--port", "0", "--bootnodes", "", "--runtime", runtime))
		}
	}
	return []stage{
		gethSuite("our bootnode", bootnode), gethSuite("our node on smol", whole("smol")),
		gethSuite("our node on tokio", whole("tokio")), inNetwork(), withDatabase(),
	}
}
