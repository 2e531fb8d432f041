package finding

// The weights of the saturation family.
const (
	PeerAnswers    Weight = "peer-answers"
	SeveralClients Weight = "several-clients"
	ServerSays     Weight = "server-says"
	OneClient      Weight = "one-client-only"
)

var saturationWeights = map[Weight]Entry{
	PeerAnswers:    {3.0, "the words are the peer's own answer, which the client only repeats"},
	SeveralClients: {1.5, "clients of different workloads hear the same answer: it is not one client's mistake"},
	ServerSays:     {1.5, "the server's own log says so, too"},
	OneClient:      {-0.5, "other clients of the same server hear no such answer"},
}
