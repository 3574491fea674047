using System.Text.Json;

namespace Rosetta.Client;

/// <summary>
/// The API refused a call, or did not answer. Holds what its problem document (RFC 9457) said: title, detail and, for 422, the errors
/// of each field.
/// </summary>
public sealed class ApiException : Exception
{
    static readonly Dictionary<string, string[]> NoErrors = [];

    public ApiException(
        int? status, string title, string? detail = null, IReadOnlyDictionary<string, string[]>? errors = null, Exception? inner = null)
        : base(detail is null ? title : $"{title}: {detail}", inner)
    {
        Status = status;
        Title = title;
        Detail = detail;
        Errors = errors ?? NoErrors;
    }

    /// <summary>HTTP status; null when nobody answered.</summary>
    public int? Status { get; }

    public string Title { get; }

    /// <summary>What went wrong and what to do.</summary>
    public string? Detail { get; }

    /// <summary>Messages per field of the body.</summary>
    public IReadOnlyDictionary<string, string[]> Errors { get; }

    /// <summary>The problem document as it came; null when there was none.</summary>
    public string? Document { get; private init; }

    internal static ApiException Unreachable(Uri address, string reason, Exception inner) => new(
        null, "No answer",
        $"{address.GetLeftPart(UriPartial.Authority)}: {reason}. Is a node running there? Name another address with --api or ROSETTA_API.",
        inner: inner);

    internal static ApiException FromResponse(HttpResponseMessage response, string text)
    {
        var status = (int)response.StatusCode;
        try
        {
            if (JsonSerializer.Deserialize<Problem>(text, Wire.Json) is { } problem)
            {
                return new ApiException(
                    status, problem.Title ?? response.ReasonPhrase ?? $"HTTP {status}", problem.Detail, problem.Errors) { Document = text };
            }
        }
        catch (JsonException)
        {
            // Not from the API itself: a proxy, or another server on that port. Its status is all there is to say.
        }
        return new ApiException(
            status, response.ReasonPhrase ?? $"HTTP {status}",
            $"{response.RequestMessage?.RequestUri} answered {status} without a problem document. Is this a Rosetta node?");
    }

    sealed record Problem(string? Title, string? Detail, Dictionary<string, string[]>? Errors);
}
