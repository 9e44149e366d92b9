package main

// shortCommit is how much of a commit's hash is kept.
const shortCommit = 12

// runOfCI names the run of GitHub, GitLab or Jenkins that this process is part of, and its
// commit; "" by hand.
func runOfCI(variable func(string) string) string {
	run, commit := "", ""
	switch {
	case variable("GITHUB_RUN_ID") != "":
		run = variable("GITHUB_SERVER_URL") + "/" + variable("GITHUB_REPOSITORY") + "/actions/runs/" + variable("GITHUB_RUN_ID")
		commit = variable("GITHUB_SHA")
	case variable("CI_JOB_URL") != "":
		run, commit = variable("CI_JOB_URL"), variable("CI_COMMIT_SHA")
	case variable("BUILD_URL") != "":
		run, commit = variable("BUILD_URL"), variable("GIT_COMMIT")
	}
	if run != "" && commit != "" {
		run += ", commit " + commit[:min(len(commit), shortCommit)]
	}
	return run
}
