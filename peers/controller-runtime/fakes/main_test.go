package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// documented is the answers in the table of docs/behaviours.md, by question: of an API server, and of the fakes.
func documented(t *testing.T) map[string][]string {
	text, err := os.ReadFile("../../../docs/behaviours.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text2, found := strings.Cut(string(text), "\n| question |")
	if !found {
		t.Fatal("the document has no table of questions")
	}
	rows := map[string][]string{}
	for _, line := range strings.Split(text2, "\n")[2:] {
		if !strings.HasPrefix(line, "| ") {
			break
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		rows[cells[0]] = cells[1:]
	}
	if len(rows) != len(questions) {
		t.Errorf("%d questions are documented, %d are asked", len(rows), len(questions))
	}
	return rows
}

func TestTheDocumentedAnswersAreThoseOfTheFakes(t *testing.T) {
	rows := documented(t)
	for _, question := range questions {
		row := rows[question.text]
		if len(row) != 3 {
			t.Errorf("%q is not documented", question.text)
			continue
		}
		for at, column := range fakes() {
			answer, err := column.answer(t.Context(), question)
			if err != nil {
				t.Fatal(err)
			}
			if answer != row[at+1] {
				t.Errorf("%q: %s says %q, documented is %q", question.text, column.title, answer, row[at+1])
			}
		}
	}
}

// What servers answer is the outcome of a scenario, which is played on both of them.
func TestTheDocumentedAnswersAreThoseOfTheScenario(t *testing.T) {
	text, err := os.ReadFile("../../scenarios.json")
	if err != nil {
		t.Fatal(err)
	}
	var scenarios struct {
		Questions map[string]string `json:"questions"`
	}
	if err := json.Unmarshal(text, &scenarios); err != nil {
		t.Fatal(err)
	}
	for question, row := range documented(t) {
		if scenarios.Questions[question] != row[0] {
			t.Errorf("%q: documented is %q, the scenario has %q", question, row[0], scenarios.Questions[question])
		}
	}
}
