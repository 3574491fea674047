namespace Rosetta.Client.Answers;

/// <summary>Answer of <c>/health/live</c> and <c>/health/ready</c>, with 200 or 503.</summary>
public sealed record Health(string? Status, IReadOnlyList<HealthCheck>? Checks);

/// <param name="Detail">What is wrong, when it is not healthy.</param>
public sealed record HealthCheck(string Name, bool Healthy, string? Detail);
