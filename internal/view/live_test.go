package view

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/repltool/repltool/apply"
)

// TestSayStays: a line said while lines are live is not drawn over, and after the
// end nothing is drawn any more.
func TestSayStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := smallPlan()
		v := NewProgress(&out, Style{Width: 40}, p, ProgressOptions{Live: true, Now: time.Now})
		v.Observe(apply.StepStart{At: at(p, 0), Why: "copy"})
		time.Sleep(time.Second)
		v.Say("Interrupted.")
		time.Sleep(time.Second)
		v.Close()
		v.Say("Late.")
		if got, want := screen(t, out.String(), 40), "Interrupted.\nLate.\n"; got != want {
			t.Errorf("the screen has\n%swant\n%s", got, want)
		}
	})
}

// TestNarrowerWindow: lines that a narrower window has broken take more rows.
func TestNarrowerWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p, width := smallPlan(), 60
		v := NewProgress(&out, Style{}, p, ProgressOptions{Live: true, Now: time.Now, Width: func() int { return width }})
		v.Observe(apply.StepStart{At: at(p, 0), Why: strings.Repeat("x", 80)})
		time.Sleep(time.Second + time.Millisecond) // between two redraws
		width = 30
		out.Reset()
		time.Sleep(300 * time.Millisecond)
		v.Close()
		// 59 columns and "0 of 2 steps · 1s" are two rows and one at a width of 30.
		if !strings.HasPrefix(out.String(), "\x1b[3A\r") {
			t.Errorf("it goes up by %q", out.String()[:min(out.Len(), 8)])
		}
	})
}
