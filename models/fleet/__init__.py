"""What a fleet's workers share in Redis around their model calls: answers, budget, requests in flight."""
