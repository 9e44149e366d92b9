package cluster

// Owner is the role that owns the subscription, as it is; "" for one that this plan
// creates, which belongs to repltool's own role, a superuser.
func (v *Subscription) Owner() string {
	if v.Is == nil || v.Scope.Live().Role(v.Is.Owner) == nil {
		return ""
	}
	return v.Is.Owner
}

// OwnedBySuperuser reports whether the owner is a superuser, or not known to be none.
func (v *Subscription) OwnedBySuperuser() bool {
	return v.Owner() == "" || v.Scope.Live().Role(v.Owner()).Superuser
}

// Option returns an option as this plan leaves it: "true", "false", or a word.
func (v *Subscription) Option(name string) string {
	for _, o := range v.WantedOptions() {
		if o.Name == name && v.Is != nil && v.Lifecycle.Ignores(name) {
			return o.Is
		} else if o.Name == name {
			return o.Wanted
		}
	}
	return ""
}

// KeepsPassword reports whether PostgreSQL wants the password in the connection string
// itself, where a password file does not do (docs, "CREATE SUBSCRIPTION",
// password_required).
func (v *Subscription) KeepsPassword() bool {
	return v.Option("password_required") == "true" && !v.OwnedBySuperuser()
}

// KeptOwner is the owner that a subscription which is recreated had, where that is not
// repltool's own role; up to PostgreSQL 15 only a superuser can own one.
func (v *Subscription) KeptOwner() string {
	h := v.Scope.Found(v.Scope.Now.Leader).Host
	if v.Owner() == "" || h != nil && h.OSUser == v.Owner() || !v.OwnedBySuperuser() && !v.Scope.AtLeast(16) {
		return ""
	}
	return v.Owner()
}
