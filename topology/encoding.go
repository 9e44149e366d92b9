package topology

import (
	"fmt"
	"strings"
)

// Encodings by PostgreSQL's own names, each with the other spellings that the
// server takes (PostgreSQL docs, 24.3.1 "Supported Character Sets"; those for
// clients only are left out). Case and punctuation do not count.
const encodingsText = `
UTF8 unicode
SQL_ASCII
LATIN1 iso88591
LATIN2 iso88592
LATIN3 iso88593
LATIN4 iso88594
LATIN5 iso88599
LATIN6 iso885910
LATIN7 iso885913
LATIN8 iso885914
LATIN9 iso885915
LATIN10 iso885916
ISO_8859_5
ISO_8859_6
ISO_8859_7
ISO_8859_8
WIN866 alt windows866
WIN874 windows874
WIN1250 windows1250
WIN1251 win windows1251
WIN1252 windows1252
WIN1253 windows1253
WIN1254 windows1254
WIN1255 windows1255
WIN1256 windows1256
WIN1257 windows1257
WIN1258 abc tcvn tcvn5712 vscii windows1258
KOI8R koi8
KOI8U
EUC_CN
EUC_JP
EUC_JIS_2004
EUC_KR
EUC_TW
MULE_INTERNAL
`

// foldEncoding keeps the letters and digits, as clean_encoding_name of the server
// does.
func foldEncoding(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
}

// Encoding returns PostgreSQL's own name of an encoding: UTF8 for utf-8; "" for
// what is none that a database can have.
func Encoding(name string) string {
	folded := foldEncoding(name)
	for line := range strings.Lines(encodingsText) {
		words := strings.Fields(line)
		for i, w := range words {
			if i == 0 && foldEncoding(w) == folded || i > 0 && w == folded {
				return words[0]
			}
		}
	}
	return ""
}

func encodingName(text string) string {
	if Encoding(text) != "" {
		return ""
	}
	var names []string
	for line := range strings.Lines(encodingsText) {
		if words := strings.Fields(line); len(words) > 0 {
			names = append(names, words[0])
		}
	}
	return fmt.Sprintf("%q is not a PostgreSQL encoding.%s", text, didYouMean(strings.ToUpper(text), names))
}

// localeName takes what a C library may call a locale: no name has a blank, a quote
// or a path in it.
func localeName(text string) string {
	for _, r := range text {
		if strings.ContainsRune("_.@-+,:", r) || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			continue
		}
		return fmt.Sprintf("%q is not a valid locale name, such as \"C.UTF-8\" or \"de_DE.UTF-8\": it contains %q.", text, r)
	}
	return ""
}
