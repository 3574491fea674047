namespace Rosetta.Api.Problems;

/// <summary>Ends a request with a problem document. Thrown where a request is read, before anything is done; it is not logged.</summary>
/// <param name="status">HTTP status, 4xx or 5xx.</param>
/// <param name="detail">What is wrong and what to do.</param>
/// <param name="errors">For 422: messages by field.</param>
public sealed class RequestProblemException(int status, string detail, IReadOnlyDictionary<string, string[]>? errors = null) : Exception(detail)
{
    public int Status { get; } = status;

    public IReadOnlyDictionary<string, string[]>? Errors { get; } = errors;
}
