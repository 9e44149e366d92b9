package facts

import "time"

// Unsettled is how long after an error the worker that runs is not taken for one that
// works, unless the publisher says so.
const Unsettled = time.Minute

// Restarting reports whether the apply worker ends and starts again: one that cannot apply
// a change is there for a moment every few seconds, connected and fed. Once the publisher has
// sent all and all was applied, no change is left that the worker fails at; of a publisher
// that was not read (nil), nothing is concluded.
func (s *Subscription) Restarting(publisher *Server) bool {
	switch w := s.Worker; {
	case !s.Options.Enabled || w == nil:
		return false
	case s.Restarts > 0:
		return true
	case publisher == nil || s.ApplyErrors == 0 || w.Age != nil && *w.Age > Unsettled:
		return false
	}
	sender := publisher.SenderFrom(s.Options.SlotName)
	return sender == nil || !sender.Applied()
}

// Applied reports whether all WAL was decoded, and what was sent of it applied.
func (s *Sender) Applied() bool {
	behind := Behind(s.WriteLSN, s.SentLSN)
	return s.State == "streaming" && behind != nil && *behind <= 0
}
