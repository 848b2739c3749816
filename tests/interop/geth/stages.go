package main

import (
	"os"
	"regexp"
)

// A stage is a row of cases that share what was started for the first of them: a network that takes a while to
// settle, or a suite that plays all its tests in one run.
type stage struct {
	start func(t *test)
	cases []trial
}

// play sets the stage and plays the chosen cases on it in their order. All of them fail if it cannot be set.
func (s stage) play(b *bench, pattern *regexp.Regexp, report func(name string, t *test, why string)) {
	var chosen []trial
	for _, one := range s.cases {
		if pattern.MatchString(one.name) {
			chosen = append(chosen, one)
		}
	}
	if len(chosen) == 0 {
		return
	}
	folder, err := os.MkdirTemp("", "interop")
	if err != nil {
		fail("%v", err)
	}
	t := &test{bench: b, folder: folder}
	defer t.end()
	notSet := t.attempt(s.start)
	told := 0
	for _, one := range chosen {
		why := notSet
		if why == "" {
			why = t.attempt(one.run)
		}
		// What the programs said is told once: the next case that fails has only its own programs to add.
		shown := &test{detail: t.detail, programs: t.programs[told:]}
		if why != "" {
			told = len(t.programs)
		}
		t.detail = ""
		report(one.name, shown, why)
	}
}
