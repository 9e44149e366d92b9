package topology

import (
	"fmt"
	"slices"
	"strings"
)

// Options of pg_hba.conf, each with the methods that take it, as parse_hba_auth_opt
// of the server has them (PostgreSQL docs, 21.1 "The pg_hba.conf File"). No method:
// every one, on a rule of type hostssl.
const hbaOptionsText = `
map               ident peer gss sspi cert oauth
clientcert
clientname
pamservice        pam
pam_use_hostname  pam
ldapurl           ldap
ldaptls           ldap
ldapscheme        ldap
ldapserver        ldap
ldapport          ldap
ldapbinddn        ldap
ldapbindpasswd    ldap
ldapsearchattribute ldap
ldapsearchfilter  ldap
ldapbasedn        ldap
ldapprefix        ldap
ldapsuffix        ldap
krb_realm         gss sspi
include_realm     gss sspi
compat_realm      sspi
upn_username      sspi
radiusservers     radius
radiussecrets     radius
radiusports       radius
radiusidentifiers radius
issuer            oauth
scope             oauth
validator         oauth
delegate_ident_mapping oauth
`

// hbaOptionMethods returns the methods that take an option; false for no option.
func hbaOptionMethods(name string) ([]string, bool) {
	for line := range strings.Lines(hbaOptionsText) {
		if words := strings.Fields(line); len(words) > 0 && words[0] == name {
			return words[1:], true
		}
	}
	return nil, false
}

func hbaOptionNames() []string {
	var names []string
	for line := range strings.Lines(hbaOptionsText) {
		if words := strings.Fields(line); len(words) > 0 {
			names = append(names, words[0])
		}
	}
	return names
}

// optionsFit returns what the server would refuse the rule's options for.
func optionsFit(r HBARule) string {
	for i, o := range r.Options {
		methods, known := hbaOptionMethods(o.Name)
		switch {
		case !known:
			return fmt.Sprintf("%q is not a pg_hba.conf option.%s", o.Name, didYouMean(o.Name, hbaOptionNames()))
		case len(methods) == 0 && r.Type != "hostssl" && r.Type != "":
			return fmt.Sprintf("option %s is valid only for rules of type hostssl.", o.Name)
		case len(methods) > 0 && r.Method != "" && !slices.Contains(methods, r.Method):
			return fmt.Sprintf("option %s is valid only for method %s; this rule uses %s.", o.Name, oneOfList(methods), r.Method)
		case slices.ContainsFunc(r.Options[:i], func(p HBAOption) bool { return p.Name == o.Name }):
			return fmt.Sprintf("option %s is specified more than once.", o.Name)
		}
		if why := optionValue(o, r.Method); why != "" {
			return why
		}
	}
	return optionsMissing(r)
}

func optionValue(o HBAOption, method string) string {
	allowed := map[string][]string{
		"clientcert": {"verify-ca", "verify-full"}, "clientname": {"CN", "DN"},
		"ldapscheme": {"ldap", "ldaps"}, "ldaptls": {"0", "1"}, "pam_use_hostname": {"0", "1"},
		"include_realm": {"0", "1"}, "compat_realm": {"0", "1"}, "upn_username": {"0", "1"}, "delegate_ident_mapping": {"0", "1"},
	}[o.Name]
	if allowed != nil && !slices.Contains(allowed, o.Value) {
		return fmt.Sprintf("%s must be %s, not %q.", o.Name, oneOfList(allowed), o.Value)
	}
	if o.Name == "clientcert" && o.Value == "verify-ca" && method == "cert" {
		return "method cert always verifies the client certificate in full: remove clientcert."
	}
	return ""
}

// optionsMissing reports methods that are nothing without their options.
func optionsMissing(r HBARule) string {
	has := func(names ...string) bool {
		return slices.ContainsFunc(r.Options, func(o HBAOption) bool { return slices.Contains(names, o.Name) })
	}
	simple := has("ldapprefix", "ldapsuffix")
	switch {
	case r.Method == "ldap" && !has("ldapserver", "ldapurl"):
		return "method ldap requires ldapserver or ldapurl."
	case r.Method == "ldap" && simple && has("ldapbasedn", "ldapbinddn", "ldapbindpasswd", "ldapsearchattribute", "ldapsearchfilter", "ldapurl"):
		return "ldapprefix and ldapsuffix cannot be combined with ldapbasedn, ldapbinddn, ldapbindpasswd, " +
			"ldapsearchattribute, ldapsearchfilter or ldapurl."
	case r.Method == "ldap" && !simple && !has("ldapbasedn", "ldapurl"):
		return "method ldap requires ldapbasedn, ldapprefix, ldapsuffix or ldapurl."
	case r.Method == "ldap" && has("ldapsearchattribute") && has("ldapsearchfilter"):
		return "ldapsearchattribute and ldapsearchfilter cannot be used together."
	case r.Method == "radius" && !(has("radiusservers") && has("radiussecrets")):
		return "method radius requires radiusservers and radiussecrets."
	case r.Method == "oauth" && !(has("issuer") && has("scope")):
		return "method oauth requires issuer and scope."
	}
	return ""
}
